"""Poly-1 cross-entropy."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import Options
from evoloss.losses.known.label_probability import LabelProbabilityLoss
from evoloss.losses.known.ranges import Range, Ranges

__all__ = ["Poly1Loss", "poly1", "poly1_slope"]


def poly1(log_p: Any, epsilon: float, on: BatchOperations = TENSORS) -> Any:
    r"""Poly-1 cross-entropy, :math:`-\log p_y + \epsilon (1 - p_y)`; at least 0, 0 at p_y = 1.

    The first coefficient of the expansion of cross-entropy in powers of 1 - p_y becomes 1 + epsilon.

    Args:
        log_p: log-probability of the label, at most 0, any shape.
        epsilon: at least -1, so that the first coefficient does not turn negative; 0 gives cross-entropy.
        on: operations.

    References:
        Leng et al. 2022, arXiv:2204.12511.
    """
    return -log_p - epsilon * on.expm1(log_p)


def poly1_slope(log_p: Tensor, epsilon: float) -> Tensor:
    r"""Derivative of :func:`poly1` by log p_y: :math:`-1 - \epsilon p_y`."""
    return -epsilon * torch.exp(log_p) - 1.0


class Poly1Loss(LabelProbabilityLoss):
    """Poly-1 cross-entropy; see :func:`poly1`.

    Args:
        epsilon: at least -1. The paper tunes it for each task: 2 for ImageNet classification, the default
            here, and -1 for detection; public re-implementations often have 1.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if ``epsilon`` is out of range.

    Example:
        >>> criterion = Poly1Loss(epsilon=1.0)
        >>> print(criterion(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([0])))
        tensor(0.4526)
    """

    name: ClassVar[str] = "poly1"
    reference: ClassVar[str] = "Leng et al. 2022, arXiv:2204.12511"
    formula: ClassVar[Formula | None] = Formula(poly1)
    ranges: ClassVar[Ranges] = {"epsilon": Range(-1.0, search=(-1.0, 8.0))}

    def __init__(
        self, weight: Tensor | None = None, *, epsilon: float = 2.0, **options: Unpack[Options]
    ) -> None:
        super().__init__(weight, **options)
        self.epsilon = self._in_range("epsilon", epsilon)

    def cost(self, log_p: Tensor) -> Tensor:
        """See :func:`poly1`."""
        return poly1(log_p, self.epsilon)

    def slope(self, log_p: Tensor) -> Tensor:
        """See :func:`poly1_slope`."""
        return poly1_slope(log_p, self.epsilon)
