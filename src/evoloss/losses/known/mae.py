"""Mean absolute error on probabilities."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.known.label_probability import LabelProbabilityLoss

__all__ = ["MaeLoss", "mae", "mae_slope"]


def mae(log_p: Any, on: BatchOperations = TENSORS) -> Any:
    r"""Absolute error, :math:`\sum_k |p_k - q_k| = 2 (1 - p_y)` for one-hot q; in [0, 2].

    Args:
        log_p: log-probability of the label, at most 0, any shape.
        on: operations.

    References:
        Ghosh et al. 2017, arXiv:1712.09482.
    """
    return -2.0 * on.expm1(log_p)


def mae_slope(log_p: Tensor) -> Tensor:
    r"""Derivative of :func:`mae` by log p_y: :math:`-2 p_y`."""
    return -2.0 * torch.exp(log_p)


class MaeLoss(LabelProbabilityLoss):
    """Absolute error between predicted and one-hot probabilities; see :func:`mae`. Some code halves it.

    Example:
        >>> criterion = MaeLoss(reduction="none")
        >>> print(criterion(torch.tensor([[0.0, 0.0], [0.0, 40.0]]), torch.tensor([0, 0])))
        tensor([1., 2.])
    """

    name: ClassVar[str] = "mae"
    reference: ClassVar[str] = "Ghosh et al. 2017, arXiv:1712.09482"
    formula: ClassVar[Formula | None] = Formula(mae)

    def cost(self, log_p: Tensor) -> Tensor:
        """See :func:`mae`."""
        return mae(log_p)

    def slope(self, log_p: Tensor) -> Tensor:
        """See :func:`mae_slope`."""
        return mae_slope(log_p)
