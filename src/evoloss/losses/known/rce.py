"""Reverse cross-entropy, the passive half of several noise-tolerant losses."""

from __future__ import annotations

from typing import Any

from evoloss.formulas import TENSORS, BatchOperations

__all__ = ["reverse_cross_entropy"]


def reverse_cross_entropy(log_p: Any, log_zero: float, on: BatchOperations = TENSORS) -> Any:
    r"""Reverse cross-entropy, :math:`-\sum_k p_k \log q_k = -A (1 - p_y)` with one-hot q and A for log 0.

    Args:
        log_p: log-probability of the label, at most 0, any shape.
        log_zero: A, the finite number that stands for log 0; below 0.
        on: operations.

    References:
        Wang et al. 2019, arXiv:1908.06112.
    """
    return log_zero * on.expm1(log_p)
