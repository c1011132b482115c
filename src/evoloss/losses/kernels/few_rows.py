r"""Small batches on a CPU: costs and gradient by NumPy.

For a batch of 64 rows of 10 logits an operation of PyTorch is nearly all dispatch, and one of NumPy takes a
third of the time. So a plain call with few logits, float32, index targets that all count, and neither weight
nor smoothing is worked out here; every other goes the way of :mod:`evoloss.losses.kernels.cpu_rows`, which
says what is computed. Both are the same up to rounding.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evoloss.losses.call.labels import Labels
from evoloss.losses.call.validation import Reduction
from evoloss.losses.kernels.cpu_rows import ExactCosts, differentiable
from evoloss.networks.terms import Array, FewRows, Terms

__all__ = ["few_rows"]

# Logits of a call; with more, the operations of PyTorch are as fast.
_LIMIT = 1 << 14
_NUMBERS = lru_cache(maxsize=64)(np.arange)


def few_rows(
    logits: Tensor, labels: Labels, terms: Terms, reduction: Reduction, exact: ExactCosts
) -> Tensor | None:
    """The reduced costs of a small batch, a scalar or ``(N,)``, float32; None where this is not the way.

    Takes what :func:`evoloss.losses.kernels.cpu_rows.reduced_rows` takes. It is also not the way where a
    target is out of range or to be ignored, and where a logit is NaN or so large that a row has no softmax.
    """
    target, weight, _, ignored, is_dense = labels
    few = terms.few
    if (
        few is None
        or logits.numel() > _LIMIT
        or is_dense
        or weight is not None
        or ignored >= 0
        or logits.dtype is not torch.float32
    ):
        return None
    n, n_classes = logits.shape
    label = target.numpy()
    # Unsigned, a negative target is a large one.
    if label.view(np.uint64).max() >= n_classes:
        return None
    wanted = logits.requires_grad and torch.is_grad_enabled()
    with np.errstate(all="ignore"):
        # The class axis comes first, (C, N): a sum over it is one of long vectors.
        log_probs = np.array(logits.detach().numpy().T, order="C")
        log_probs -= np.maximum.reduce(log_probs, 0)
        probs = np.exp(log_probs)
        total = np.add.reduce(probs, 0)
        if not np.add.reduce(total) < np.inf:  # a row that is NaN
            return None
        log_probs -= np.log(total)
        at_label = label, _NUMBERS(n)
        found = few(FewRows(log_probs, total, at_label, log_probs[at_label]))
        if found is None:
            return None
        cost, slope, slopes = found
        if reduction != "none":
            cost = np.add.reduce(cost) / (n if reduction == "mean" else 1)
        if not wanted:
            return torch.from_numpy(np.asarray(cost))
        if reduction == "mean":
            slope /= n
        # h - p sum(h), the backward pass of log-softmax
        if slopes is None:
            probs *= slope / -total
            probs[at_label] += slope
        else:
            if reduction == "mean":
                slopes /= n
            slopes[at_label] += slope
            probs *= np.add.reduce(slopes, 0) / -total
            probs += slopes
    result: Tensor = _FewRows.apply(logits, cost, np.ascontiguousarray(probs.T), labels, reduction, exact)  # type: ignore[no-untyped-call]
    return result


class _FewRows(torch.autograd.Function):
    """Carries costs and their gradient, which are known."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        cost: Array,
        gradient: Array,
        labels: Labels,
        reduction: Reduction,
        exact: ExactCosts,
    ) -> Tensor:
        """The costs."""
        ctx.save_for_backward(logits, torch.from_numpy(gradient))
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
