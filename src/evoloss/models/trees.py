"""Names of classifiers that are grown and not built: boosted trees of XGBoost and LightGBM."""

from __future__ import annotations

from typing import Literal

TREES = ("xgboost", "lightgbm")
"""Libraries of boosted trees; each is the name of its classifier, and of its own objective as a loss."""


def names_trees(model: str) -> bool:
    """Tell whether the name of a classifier is one of boosted trees.

    Example:
        >>> names_trees("xgboost:max_depth=4"), names_trees("mlp")
        (True, False)
    """
    return model.partition(":")[0] in TREES


def training_unit(model: str) -> Literal["epoch", "round"]:
    """The unit that the training of a classifier goes by, by its name; plurals take an s.

    Example:
        >>> training_unit("xgboost:max_depth=4"), training_unit("mlp")
        ('round', 'epoch')
    """
    return "round" if names_trees(model) else "epoch"
