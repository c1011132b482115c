"""A loss as a tool needs it that weighs samples itself."""

from __future__ import annotations

import copy

from torch import nn

from evoloss.errors import ConfigError
from evoloss.losses.resolve import make_loss


def sample_costs(loss: str | nn.Module) -> nn.Module:
    """A copy of a loss that gives the cost of every sample, in training mode.

    Args:
        loss: a name that :func:`~evoloss.make_loss` takes, or a module with a ``reduction``.

    Raises:
        ConfigError: if it cannot.
        UnknownNameError: if there is no loss of a name.
    """
    criterion = make_loss(loss) if isinstance(loss, str) else copy.deepcopy(loss)
    if not isinstance(criterion, nn.Module):
        raise ConfigError(f"the loss is a {type(criterion).__name__}; expected a name or an nn.Module")
    if not hasattr(criterion, "reduction"):
        raise ConfigError(
            f"the loss is a {type(criterion).__name__} without a reduction; a loss of one's own has an "
            "attribute reduction, and returns costs of shape (N,) where it is 'none'"
        )
    criterion.reduction = "none"  # type: ignore[assignment]
    return criterion.train()
