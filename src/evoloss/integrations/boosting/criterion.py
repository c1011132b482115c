"""A loss as trees need it: the cost of every sample, without what only networks can tell it."""

from __future__ import annotations

import copy

import numpy as np
from torch import nn

from evoloss.errors import ConfigError
from evoloss.losses import ClassificationLoss
from evoloss.losses.resolve import make_loss


def sample_costs(loss: str | nn.Module) -> nn.Module:
    """A copy of a loss that gives the cost of every sample.

    Raises:
        ConfigError: if it cannot.
        UnknownNameError: if there is no loss of a name.
    """
    criterion = make_loss(loss, reduction="none") if isinstance(loss, str) else copy.deepcopy(loss)
    if not isinstance(criterion, nn.Module):
        raise ConfigError(f"the loss is a {type(criterion).__name__}; expected a name or an nn.Module")
    if not hasattr(criterion, "reduction"):
        raise ConfigError(
            f"{type(criterion).__name__} has no reduction; trees need the cost of every sample, so a loss of "
            "one's own has an attribute reduction, and returns costs of shape (N,) where it is 'none'"
        )
    criterion.reduction = "none"  # type: ignore[assignment]
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
