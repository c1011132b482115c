"""Normalised cross-entropy, the active half of several noise-tolerant losses."""

from __future__ import annotations

from torch import Tensor

__all__ = ["normalised_cross_entropy"]


def normalised_cross_entropy(log_probs: Tensor) -> Tensor:
    r"""Normalised cross-entropy, :math:`\log p_k / \sum_j \log p_j` for every class k; in [0, 1].

    Sums to 1 over the classes, so it tolerates uniform label noise. With a single class it is 0.

    Args:
        log_probs: log-probabilities, shape ``(N, C)``.

    References:
        Ma et al. 2020, arXiv:2006.13554.
    """
    # For C >= 2 the sum is at most -C log C < -1, so the clamp changes nothing; for C = 1 it avoids 0 / 0.
    return log_probs / log_probs.sum(dim=1, keepdim=True).clamp(max=-1.0)
