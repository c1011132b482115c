r"""The two slopes of a classwise loss, all that the training of a classifier sees of it.

For :math:`L(p, k) = \sum_{j \neq k} \phi_0(\log p_j) + \phi_1(\log p_k)` they are :math:`\phi_0'` and
:math:`\phi_1'`, functions of log p. With :math:`h_j` the slope of class j the gradient by the logits is
:math:`h_j - p_j \sum_i h_i`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

__all__ = ["ClasswiseLoss", "SlopeFunctions"]

SlopeFunctions = tuple[
    Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]
]  # of other classes, of the label


class ClasswiseLoss(Protocol):
    """A loss that students can be trained with."""

    def slopes(self, n_classes: int) -> SlopeFunctions:
        """Its slopes at a class count."""
        ...
