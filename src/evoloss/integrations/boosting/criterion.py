"""A loss as trees need it: the cost of every sample, without what only networks can tell it."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from evoloss.errors import ConfigError
from evoloss.integrations.boosting.margins import LabelledData
from evoloss.integrations.criterion import sample_costs
from evoloss.integrations.precision import in_one_precision
from evoloss.losses import ClassificationLoss

_TRIED = 4  # rows that a loss is tried with


def costs_for_trees(loss: str | nn.Module, n_classes: int) -> nn.Module:
    """A copy of a loss that gives the cost of every sample, by what trees can tell it.

    Args:
        loss: a name, or a loss.
        n_classes: that it is tried with.

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
    _try(criterion, n_classes)
    return criterion


def _try(criterion: nn.Module, n_classes: int) -> None:
    """Find a mistake in a loss before a library calls it, whose own messages would hide it."""
    target = torch.arange(_TRIED) % n_classes
    logits = torch.zeros(_TRIED, n_classes, dtype=torch.float32)
    tried = copy.deepcopy(criterion).eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            costs = tried(in_one_precision(tried, logits), target)
    except Exception as error:  # of the user's code, or of PyTorch; the cause stays attached
        raise ConfigError(
            f"{type(criterion).__name__} cannot take scores of {n_classes} classes, {tuple(logits.shape)}, "
            f"and a class index a row, {tuple(target.shape)}: {error}"
        ) from error
    require_costs(criterion, costs, target)


def require_costs(criterion: nn.Module, costs: object, target: Tensor) -> None:
    """Raise :class:`ConfigError` where a loss did not return one cost a sample."""
    found = tuple(costs.shape) if isinstance(costs, Tensor) else f"none, but a {type(costs).__name__}"
    if found != tuple(target.shape):
        raise ConfigError(
            f"{type(criterion).__name__} returned costs of shape {found} for reduction='none'; expected one "
            f"for each of {len(target):,} samples, ({len(target)},)"
        )


def checked_class_count(n_classes: int) -> int:
    """Return a class count, or raise :class:`ConfigError` if it is none of two or more."""
    if isinstance(n_classes, LabelledData):
        raise ConfigError(
            "a library calls what makes an objective or a metric; make it first, as in "
            "obj=objective(loss, n_classes)"
        )
    if isinstance(n_classes, bool) or not isinstance(n_classes, (int, np.integer)) or n_classes < 2:
        raise ConfigError(f"n_classes must be a whole number of at least 2, got {n_classes!r}")
    return int(n_classes)
