"""The numbers of a sensing loss: what its parameters mean, and what a search finds."""

from __future__ import annotations

import math
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class SensorNumbers(NamedTuple, Generic[T]):
    """The numbers of a sensor and of what follows from it, tensors of any one shape or plain numbers.

    Attributes:
        strength: the exponent with which labels are doubted that are memorised.
        poly: the weight of 1 - p beside the cross-entropy while nothing is memorised.
        smoothing: the weight of the mean of -log p over all classes beside both.
        spared: a class whose contradictions are below this share of the mean over classes is not doubted.
        spared_span: how far above ``spared`` it is wholly doubted.
        agreement_power: how the exponent follows the agreement of predictions and labels.
        fast: window of c, in epochs.
        slow: window of the mean that c is compared with, in epochs.
        tolerance: how far below that mean c may be on a plateau, as a share of it.
        clean: plateaus below this are those of hard samples with right labels, of 20,000 samples or more.
        span: how far above ``clean`` the evidence for wrong labels is whole.
        onset: the recall, less three times its error by chance, above which samples are being memorised.
        depth: how far above ``onset`` that is certain.
        emphasis: exponent of the odds that weight the samples.
    """

    strength: T
    poly: T
    smoothing: T
    spared: T
    spared_span: T
    agreement_power: T
    fast: T
    slow: T
    tolerance: T
    clean: T
    span: T
    onset: T
    depth: T
    emphasis: T

    @classmethod
    def of(cls, params: Tensor) -> SensorNumbers[Tensor]:
        """The numbers of parameters ``(..., n)``: within their ranges on a logarithmic scale."""
        low, high = (
            params.new_tensor([math.log(values[end]) for values in _RANGES.values()]) for end in (0, 1)
        )
        return SensorNumbers(*torch.lerp(low, high, params.clamp(-12, 12).sigmoid()).exp().unbind(dim=-1))

    @classmethod
    def set_by_hand(cls) -> Tensor:
        """The parameters of a sensor whose numbers were set by hand, float32 ``(n,)``."""
        shares = [math.log(value / low) / math.log(high / low) for low, high, value in _RANGES.values()]
        return torch.tensor(shares, dtype=torch.float32).logit()


# The least, the largest, and the value that was set by hand.
_RANGES: dict[str, tuple[float, float, float]] = {
    "strength": (0.1, 16.0, 1.25),
    "poly": (0.001, 20.0, 2.0),
    "smoothing": (0.001, 1.0, 0.06),
    "spared": (0.01, 2.0, 0.2),
    "spared_span": (0.02, 2.0, 0.3),
    "agreement_power": (0.01, 3.0, 0.02),
    "fast": (0.1, 2.0, 0.6),
    "slow": (0.3, 6.0, 1.2),
    "tolerance": (0.02, 0.9, 0.3),
    "clean": (0.01, 0.3, 0.06),
    "span": (0.01, 0.5, 0.02),
    "onset": (0.002, 0.2, 0.01),
    "depth": (0.005, 0.2, 0.02),
    "emphasis": (0.5, 4.0, 2.0),
}
