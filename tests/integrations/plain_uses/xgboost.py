"""XGBoost with a loss of its own, as on docs/how-to/frameworks.md with one of evoloss."""

import xgboost as xgb
from sklearn.datasets import load_digits

x, y = load_digits(return_X_y=True)
model = xgb.XGBClassifier(n_estimators=20, n_jobs=1).fit(x, y)
print(model.predict_proba(x[:2]).shape)  # (2, 10)

data = xgb.DMatrix(x, label=y)
settings = {"objective": "multi:softprob", "num_class": 10, "nthread": 1}
booster = xgb.train(settings, data, 20)
print((booster.predict(data).argmax(axis=1) == y).mean())  # above 0.99
