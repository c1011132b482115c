"""The share of wrong labels that a loss has sensed while trees were grown."""

from __future__ import annotations

from typing import Any

from torch import nn

from evoloss.integrations.boosting.objective import BoostingObjective
from evoloss.losses import NoiseRate


def sensed_in_trees(objective: Any, loss: str | nn.Module) -> NoiseRate:
    """Return what the loss of a fit has sensed.

    Args:
        objective: of the fit, or anything else before there was one.
        loss: as the classifier was given it, for the message.

    Raises:
        AttributeError: if the loss senses none, or there was no fit.
    """
    if not isinstance(objective, BoostingObjective):
        raise AttributeError("there is no noise_rate_ before fit, nor of a model that was read from a file")
    found = getattr(objective.criterion, "noise_rate", None)
    if not isinstance(found, NoiseRate):
        raise AttributeError(f"loss {loss!r} does not sense how many labels are wrong; 'adaptive' does")
    return found
