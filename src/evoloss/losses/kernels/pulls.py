"""Gradients of rows whose label pulls, alone or with all classes; and how many rows are worked on at once."""

from __future__ import annotations

import torch
from torch import Tensor

from evoloss.networks import LOG_P_FLOOR

__all__ = ["pulled", "pulled_with_all", "row_chunks", "rows_at_once"]

# Numbers worked on at once: half a megabyte of float32, so that the five arrays in use and the tables fit
# into a megabyte or two of cache.
_CHUNK_ELEMENTS = 1 << 17

# The kernel of log-softmax takes a row at a time, which pays for long ones.
_MANY_CLASSES = 64


def rows_at_once(n_classes: int) -> int:
    """The number of rows that are worked on at once, at least 1."""
    return max(1, _CHUNK_ELEMENTS // max(1, n_classes))


def row_chunks(n: int, n_classes: int) -> list[slice]:
    """Slices of n rows to be worked on one after the other; at least one, also of no rows."""
    step = rows_at_once(n_classes)
    return [slice(start, start + step) for start in range(0, max(1, n), step)]


def pulled(log_probs: Tensor, index: Tensor, pull: Tensor) -> Tensor:
    """The gradient by the logits where the label of each row pulls, ``(N, C)``; index and pull ``(N, 1)``."""
    if log_probs.shape[1] < _MANY_CLASSES:
        return log_probs.exp().mul_(-pull).scatter_add_(1, index, pull)
    # The backward pass of log-softmax in one go, of chunks that stay in cache.
    made = torch.empty_like(log_probs)
    slopes = torch.zeros_like(made[row_chunks(*made.shape)[0]])
    for rows in row_chunks(*made.shape):
        some = slopes[: len(made[rows])].scatter_(1, index[rows], pull[rows])
        torch._log_softmax_backward_data(some, log_probs[rows], 1, made.dtype, out=made[rows])
        some.scatter_(1, index[rows], 0.0)
    return made


def pulled_with_all(log_probs: Tensor, index: Tensor, pull: Tensor, smoothing: Tensor) -> Tensor:
    """The same where the mean of -log p over the classes counts with a weight, ``(N, 1)``, too."""
    made, share = torch.empty_like(log_probs), -smoothing / log_probs.shape[1]
    for rows in row_chunks(*made.shape):
        some = torch.where(log_probs[rows] < LOG_P_FLOOR, 0.0, share[rows])
        some.scatter_add_(1, index[rows], pull[rows])
        torch._log_softmax_backward_data(some, log_probs[rows], 1, made.dtype, out=made[rows])
    return made
