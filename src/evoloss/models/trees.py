"""Names of classifiers that are grown and not built: boosted trees of XGBoost and LightGBM."""

from __future__ import annotations

TREES = ("xgboost", "lightgbm")
"""Libraries of boosted trees; each is the name of its classifier, and of its own objective as a loss."""


def names_trees(model: str) -> bool:
    """Tell whether the name of a classifier is one of boosted trees.

    Example:
        >>> names_trees("xgboost:max_depth=4"), names_trees("mlp")
        (True, False)
    """
    return model.partition(":")[0] in TREES
