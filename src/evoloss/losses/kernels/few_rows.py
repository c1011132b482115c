r"""Small batches on a CPU: costs and gradient by NumPy.

For a batch of 64 rows of 10 logits an operation of PyTorch is nearly all dispatch, and one of NumPy takes a
third of the time. So a plain call with few logits, index targets that all count, and no smoothing is worked
out here, in float32; every other goes the way of :mod:`evoloss.losses.kernels.cpu_rows`, which says what is
computed. Both are the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoloss.losses.call.labels import Labels
from evoloss.losses.call.validation import Reduction
from evoloss.losses.kernels.cpu_rows import ExactCosts, differentiable
from evoloss.networks.terms import LOG_P_FLOOR, Array, FewRows, Terms

__all__ = ["few_rows"]

# Logits of a call; with more, the operations of PyTorch are as fast.
_LIMIT = 1 << 14
# Weights with which nothing overflows, about which NumPy would warn.
_LARGEST_WEIGHT, _LEAST_TOTAL = 1e9, 1e-9


def few_rows(
    logits: Tensor, labels: Labels, terms: Terms, reduction: Reduction, exact: ExactCosts
) -> Tensor | None:
    """The reduced costs of a small batch, a scalar or ``(N,)``, float32; None where this is not the way.

    Takes what :func:`evoloss.losses.kernels.cpu_rows.reduced_rows` takes. It is also not the way where a
    target is out of range or to be ignored, where a row has no softmax, where the log-probability of a label
    is below the floor, and where weights are huge or of next to no sum.
    """
    target, weight, _, ignored, is_dense = labels
    few = terms.few
    if (
        few is None
        or logits.numel() > _LIMIT
        or is_dense
        or (weight is not None and (weight.dtype is torch.float64 or not weight.is_cpu))
        or ignored >= 0
        or logits.dtype is torch.float64
    ):
        return None
    n, n_classes = logits.shape
    label = target.numpy()
    # Unsigned, a negative target is a large one.
    if np.maximum.reduce(label.view(np.uint64)) >= n_classes:
        return None
    # The class axis comes first, (C, N): softmax over it is one of long vectors.
    columns = np.ascontiguousarray(logits.detach().float().numpy().T)
    log_probs = torch.log_softmax(torch.from_numpy(columns), 0)
    columns = log_probs.numpy()
    at_label = label * n
    at_label += _numbers(n)
    log_p = columns.take(at_label)
    if not np.minimum.reduce(log_p) >= LOG_P_FLOOR:  # NaN is not
        return None
    total: float | np.float32 = n
    if weight is not None:
        factor = weight.numpy().take(label)
        total = np.add.reduce(factor)
        if not total > _LEAST_TOTAL or not np.maximum.reduce(np.abs(factor)) < _LARGEST_WEIGHT:
            return None
    # From here on this is the way: terms of a loss with a state take the batch in, once.
    cost, slope = few(FewRows(columns, log_p, label, at_label))
    if weight is not None:
        cost *= factor
        slope *= factor
    if reduction != "none":
        cost = np.add.reduce(cost) / (total if reduction == "mean" else 1)
    if not (logits.requires_grad and torch.is_grad_enabled()):
        return torch.from_numpy(np.asarray(cost))
    if reduction == "mean":
        slope /= total
    if slope.ndim == 1:
        slopes = np.zeros(columns.shape, np.float32)
        slopes.put(at_label, slope)
        slope = slopes
    # h - p sum(h)
    gradient = torch._log_softmax_backward_data(torch.from_numpy(slope), log_probs, 0, torch.float32)
    gradient = torch.from_numpy(np.ascontiguousarray(gradient.numpy().T))
    return _apply(logits, cost, gradient, labels, reduction, exact)


@lru_cache(maxsize=64)
def _numbers(n: int) -> NDArray[np.int64]:
    """The numbers from 0 to n - 1."""
    return np.arange(n)


class _FewRows(torch.autograd.Function):
    """Carries costs and their gradient, which are known."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        cost: np.float32 | Array,
        gradient: Tensor,
        labels: Labels,
        reduction: Reduction,
        exact: ExactCosts,
    ) -> Tensor:
        """The costs."""
        ctx.save_for_backward(logits, gradient)
        ctx.again = labels, reduction, exact
        return torch.from_numpy(np.asarray(cost))

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        """The gradient by the logits."""
        logits, gradient = ctx.saved_tensors
        if torch.is_grad_enabled():
            return differentiable(ctx, logits, incoming), None, None, None, None, None
        # Out of place: a graph that is kept may be walked again.
        made = gradient * (incoming if incoming.dim() == 0 else incoming.unsqueeze(1))
        return made, None, None, None, None, None


# What Function.apply ends in; first it looks for transforms of torch.func, which plain calls are not in.
_apply: Callable[..., Tensor] = super(torch.autograd.Function, _FewRows).apply
