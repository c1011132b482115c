"""Exponents: where a loss of p is one of ``p**t``, how t follows the certainty of a prediction, or its batch.

No gradient flows through an exponent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations

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
        exponent: Tensor = exponent_at(context, self.least, self.power)
        return exponent

    def map(self, change: Callable[[Tensor], Tensor]) -> Tempering:
        """The same with every attribute changed."""
        return Tempering(*(None if tensor is None else change(tensor) for tensor in self))  # type: ignore[arg-type]


def exponent_at(context: Any, least: Any, power: Any, on: BatchOperations = TENSORS) -> Any:
    """The exponent ``a + (1 - a) c**power``, no less than :data:`MIN_EXPONENT`.

    Args:
        context: c, what it follows, from 0 to 1, of any shape.
        least: a, from 0 to 1; broadcasts with it.
        power: above 0; likewise.
        on: operations.
    """
    return on.at_least(on.between(context**power, on.ones(context), least), MIN_EXPONENT)


def certainty(log_probs: Any, on: BatchOperations = TENSORS) -> Any:
    """From 0 at the uniform prediction to 1 where one class has everything; ``(N, C)`` to ``(N,)``.

    Example:
        >>> certainty(torch.tensor([[0.5, 0.5], [1.0, 0.0]]).log())
        tensor([0., 1.])
    """
    return certainty_of(on.exp(on.largest(on.constant(log_probs))), log_probs.shape[-1], on)


def certainty_of(top: Any, n_classes: int, on: BatchOperations = TENSORS) -> Any:
    """:func:`certainty` from the largest probability, of any shape.

    Example:
        >>> certainty_of(torch.tensor([0.1, 0.55, 1.0]), n_classes=10)
        tensor([0.0000, 0.5000, 1.0000])
    """
    # A power of it may have an infinite slope at 0: what rounding leaves of a uniform prediction is nothing.
    above = on.threshold(n_classes * top - 1, 8 * on.eps(top))
    return on.at_most(above / max(1, n_classes - 1), 1.0)
