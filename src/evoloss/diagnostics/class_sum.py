"""The class sum of a loss: where it is constant, the loss tolerates uniform label noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from evoloss.diagnostics.criterion import LossFunction, class_costs
from evoloss.diagnostics.predictions import LOGIT_SCALES, random_logits

CONSTANT_BELOW = 1e-6
"""A relative spread below this is rounding: the sum is constant."""

# The class costs of N predictions take N * C * C numbers; this bounds the work at large C.
_MOST_NUMBERS = 2**23


@dataclass(frozen=True)
class ClassSum:
    """Spread of ``S(p) = sum_k L(p, k)`` over random predictions.

    Attributes:
        spread: ``(max S - min S) / mean |S|``; 0 for a symmetric loss.
        constant: whether the spread is nothing but rounding.
        n_predictions: how many predictions it was taken over.
    """

    spread: float
    constant: bool
    n_predictions: int


def measure_class_sum(
    criterion: LossFunction, *, n_classes: int, generator: torch.Generator, n_predictions: int = 512
) -> ClassSum:
    r"""Measure how far :math:`\sum_k L(p, k)` is from constant.

    A loss whose class sum is constant has, under uniform label noise of any rate below ``(C - 1) / C``, the
    same minimiser of the risk as without noise.

    Args:
        criterion: ``(logits (N, C), target (N,)) -> (N,)``.
        n_classes: class count of the predictions, at least 2.
        generator: the only source of randomness.
        n_predictions: how many random predictions; fewer are taken where C is in the hundreds.

    Raises:
        NotApplicableError: if the loss does not take this class count.

    References:
        Ghosh et al. 2017, arXiv:1712.09482.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> generator = torch.Generator().manual_seed(0)
        >>> measure_class_sum(LOSSES["mae"](reduction="none"), n_classes=10, generator=generator).constant
        True
    """
    per_scale = max(2, min(n_predictions, _MOST_NUMBERS // n_classes**2) // len(LOGIT_SCALES))
    logits = torch.cat([random_logits(per_scale, n_classes, scale, generator) for scale in LOGIT_SCALES])
    with torch.no_grad():
        sums = class_costs(criterion, logits).sum(dim=1)
    size = float(sums.abs().mean())
    spread = float(sums.max() - sums.min()) / size if size != 0.0 else 0.0
    return ClassSum(spread=spread, constant=spread < CONSTANT_BELOW, n_predictions=len(logits))
