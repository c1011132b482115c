"""What rows of logits cost by a tempered loss, with the slope worked out on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses.pick import pick
from evoloss.losses.table_rows import Labels
from evoloss.networks import TemperedCosts, certainty

__all__ = ["tempered_labels"]

Fallback = Callable[[Tensor, Tensor], Tensor]


def tempered_labels(logits: Tensor, labels: Labels, costs: TemperedCosts, fallback: Fallback) -> Tensor:
    """Costs of rows with index targets and no smoothing: cross-entropy and a function of two numbers a row.

    Args:
        logits: float32, shape ``(N, C)``.
        labels: their labels; the weight is left to the caller.
        costs: the loss at C classes.
        fallback: the same costs from log p_y and certainty ``(N,)`` by differentiable operations, used for
            second derivatives.

    Returns:
        The costs, shape ``(N,)``; 0 for rows to ignore.

    Raises:
        IndexError: if a target is outside ``[0, C)``.
    """
    log_probs = F.log_softmax(logits, dim=1)
    log_p = pick(log_probs, labels.target, labels.ignore_index)
    made: Tensor = _TemperedLabels.apply(log_p, certainty(log_probs), costs, fallback)  # type: ignore[no-untyped-call]
    return made


class _TemperedLabels(torch.autograd.Function):
    """See :func:`tempered_labels`."""

    @staticmethod
    def forward(ctx: Any, log_p: Tensor, certain: Tensor, costs: TemperedCosts, fallback: Fallback) -> Tensor:
        # At p = 1, and so in rows to ignore, the cost is 0 to the last digit.
        cost, slope = costs.cost_and_slope(log_p, costs.temper(certain))
        ctx.save_for_backward(log_p, certain, slope)
        ctx.fallback = fallback
        return cost

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor, None, None, None]:
        log_p, certain, slope = ctx.saved_tensors
        if torch.is_grad_enabled():  # asked for with create_graph=True
            (made,) = torch.autograd.grad(ctx.fallback(log_p, certain), log_p, incoming, create_graph=True)
            return made, None, None, None
        return incoming * slope, None, None, None
