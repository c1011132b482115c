"""Exponents: where a loss of p is one of ``p**t``, how t follows the certainty of a prediction, or its batch.

No gradient flows through an exponent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

MIN_EXPONENT = 1e-6  # below it a loss is cross-entropy to every digit of a float32


class Tempering(NamedTuple):
    """The exponent as a function of what it follows, ``a + (1 - a) c**power``.

    Attributes:
        least: a, from 0 to 1.
        power: above 0.
        paced: 1 for candidates whose exponent follows agreements of a batch
            (:mod:`evoloss.networks.kinds.paced`), 0 for those where it follows the certainty of a prediction;
            None for the latter alone.
    """

    least: Tensor
    power: Tensor
    paced: Tensor | None = None

    def at(self, context: Tensor) -> Tensor:
        """The exponent at certainties, or at agreements, that broadcast with the attributes."""
        return torch.lerp(context**self.power, torch.ones_like(context), self.least).clamp(min=MIN_EXPONENT)

    def map(self, change: Callable[[Tensor], Tensor]) -> Tempering:
        """The same with every attribute changed."""
        return Tempering(*(None if tensor is None else change(tensor) for tensor in self))  # type: ignore[arg-type]


def certainty(log_probs: Tensor) -> Tensor:
    """From 0 at the uniform prediction to 1 where one class has everything; ``(N, C)`` to ``(N,)``.

    Example:
        >>> certainty(torch.tensor([[0.5, 0.5], [1.0, 0.0]]).log())
        tensor([0., 1.])
    """
    return certainty_of(log_probs.detach().amax(dim=1).exp(), log_probs.shape[1])


def certainty_of(top: Tensor, n_classes: int) -> Tensor:
    """:func:`certainty` from the largest probability, of any shape.

    Example:
        >>> certainty_of(torch.tensor([0.1, 0.55, 1.0]), n_classes=10)
        tensor([0.0000, 0.5000, 1.0000])
    """
    # A power of it may have an infinite slope at 0: what rounding leaves of a uniform prediction is nothing.
    above = F.threshold(n_classes * top - 1, 8 * torch.finfo(top.dtype).eps, 0.0)
    return (above / max(1, n_classes - 1)).clamp(max=1)
