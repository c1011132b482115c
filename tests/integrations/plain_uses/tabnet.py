"""TabNet with a loss of its own, as on docs/how-to/frameworks.md with one of evoloss."""

from pytorch_tabnet.tab_model import TabNetClassifier
from sklearn.datasets import load_iris

x, y = load_iris(return_X_y=True)
model = TabNetClassifier(verbose=0, device_name="cpu")
model.fit(x, y, max_epochs=2, batch_size=50)
print(model.predict_proba(x[:2]).shape)  # (2, 3)
