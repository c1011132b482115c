"""scikit-learn with a loss of its own, as on docs/how-to/frameworks.md with one of evoloss."""

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

x, y = load_digits(return_X_y=True)
model = make_pipeline(StandardScaler(), MLPClassifier(max_iter=20, random_state=0)).fit(x, y)

losses = {"mlpclassifier__alpha": [0.0001, 0.001]}
search = GridSearchCV(model, losses, cv=3).fit(x, y)
print(search.best_params_)
