"""LightGBM with a loss of its own, as on docs/how-to/frameworks.md with one of evoloss."""

import lightgbm as lgb
from sklearn.datasets import load_digits

x, y = load_digits(return_X_y=True)
model = lgb.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1).fit(x, y)
print(model.predict_proba(x[:2]).shape)  # (2, 10)

settings = {"objective": "multiclass", "num_class": 10, "verbose": -1, "num_threads": 1}
booster = lgb.train(settings, lgb.Dataset(x, label=y), 20)
print((booster.predict(x).argmax(axis=1) == y).mean())  # above 0.99; these are scores
