"""Normalised cross-entropy, the active half of several noise-tolerant losses."""

from __future__ import annotations

from typing import Any

from evoloss.formulas import TENSORS, BatchOperations

__all__ = ["normalised_cross_entropy"]

_MASKED = -1e30  # no logits but those of masked classes are so far apart


def normalised_cross_entropy(log_probs: Any, on: BatchOperations = TENSORS) -> Any:
    r"""Normalised cross-entropy, :math:`\log p_k / \sum_j \log p_j` for every class k; in [0, 1].

    Sums to 1 over the classes, so it tolerates uniform label noise. With a single class it is 0.

    Args:
        log_probs: log-probabilities, shape ``(N, C)``.
        on: operations.

    References:
        Ma et al. 2020, arXiv:2006.13554.
    """
    # For C >= 2 the sum is at most -C log C < -1, so the clamp changes nothing; for C = 1 it avoids 0 / 0.
    total = on.at_most(on.beside(on.total(log_probs)), -1.0)
    # A class that is masked, by a logit of -inf or of the least number there is, makes the sum infinite.
    # Those that are masked then share 1 among them, and the others have 0: limits without a slope.
    masked = total < _MASKED
    gone = on.numbers(log_probs < _MASKED, log_probs)
    limit = gone / on.at_least(on.beside(on.total(gone)), 1.0)
    return on.where(masked, limit, log_probs / on.where(masked, -1.0, total))
