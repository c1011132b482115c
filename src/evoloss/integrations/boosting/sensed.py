"""The share of wrong labels, as a loss tells it that trees were grown with."""

from __future__ import annotations

from typing import Any

from torch import nn

from evoloss.integrations.boosting.objective import BoostingObjective
from evoloss.losses import NoiseRate
from evoloss.losses.parameters import ParametricLoss

IN_TREES = NoiseRate(
    reason="trees change their predictions between rounds and never within one; the estimate is made for "
    "networks, and takes the leap after the first round for labels that are known by heart. A network can "
    "tell (evoloss compare --model mlp), and trees can still rank suspect labels (--keep first "
    "--suspects-folds 5)"
)
"""All that is said of the share of wrong labels in trees. Neither other settings nor more rounds change it:
what is read is by how much predictions agree with labels less at the end of an epoch than at its start. In a
round of trees that is nothing, and all they have learned since the round before looks like it."""


def noise_rate_in_trees(criterion: nn.Module) -> NoiseRate | None:
    """A loss's word on the share of wrong labels in trees; None of one that senses none.

    Args:
        criterion: of the objective.
    """
    return IN_TREES if isinstance(criterion, ParametricLoss) and criterion.senses_noise else None


def sensed_in_trees(objective: Any, loss: str | nn.Module) -> NoiseRate:
    """The same of a fit.

    Args:
        objective: of the fit, or anything else before there was one.
        loss: as the classifier was given it, for the message.

    Raises:
        AttributeError: if the loss senses none, or there was no fit.
    """
    if not isinstance(objective, BoostingObjective):
        raise AttributeError("there is no noise_rate_ before fit, nor of a model that was read from a file")
    found = noise_rate_in_trees(objective.criterion)
    if found is None:
        raise AttributeError(f"loss {loss!r} does not sense how many labels are wrong; 'adaptive' does")
    return found
