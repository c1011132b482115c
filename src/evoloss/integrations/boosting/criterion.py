"""A loss as trees need it: the cost of every sample, without what only networks can tell it."""

from __future__ import annotations

import numpy as np
from torch import nn

from evoloss.errors import ConfigError
from evoloss.integrations.criterion import sample_costs
from evoloss.losses import ClassificationLoss


def costs_for_trees(loss: str | nn.Module) -> nn.Module:
    """A copy of a loss that gives the cost of every sample, by what trees can tell it.

    Raises:
        ConfigError: if it cannot.
        UnknownNameError: if there is no loss of a name.
    """
    criterion = sample_costs(loss)
    if isinstance(criterion, ClassificationLoss):
        if "lr" in criterion.training_arguments:
            raise ConfigError(f"{criterion.name} asks for the learning rate of every step; trees have none")
        if "epochs" in criterion.plan_arguments:
            raise ConfigError(f"{criterion.name} asks how long a training will be, which trees do not say")
    return criterion


def checked_class_count(n_classes: int) -> int:
    """Return a class count, or raise :class:`ConfigError` if it is none of two or more."""
    if isinstance(n_classes, bool) or not isinstance(n_classes, (int, np.integer)) or n_classes < 2:
        raise ConfigError(f"n_classes must be a whole number of at least 2, got {n_classes!r}")
    return int(n_classes)
