"""Mean absolute error with a logit bias."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import Options
from evoloss.losses.known.counted_probability import CountedProbabilityLoss
from evoloss.losses.known.ranges import Range, Ranges

__all__ = ["MaeStarLoss", "logit_bias", "mae_star", "mae_star_slope"]


def mae_star(log_p: Any, epsilon: float, on: BatchOperations = TENSORS) -> Any:
    r"""Absolute error after :math:`\epsilon` is added to the label's logit; in [0, 2].

    .. math:: 2 \left(1 - \frac{p_y e^\epsilon}{1 + p_y (e^\epsilon - 1)}\right)
        = \frac{2 (1 - p_y)}{1 + p_y (e^\epsilon - 1)}

    Absolute error pulls with p_y, so that next to nothing is learned where a first prediction gives its
    label 1/C of many classes. The bias moves the prediction to where there is a pull.

    Args:
        log_p: log-probability of the label without the bias, at most 0, any shape.
        epsilon: the bias, at least 0; 0 gives the absolute error.
        on: operations.

    References:
        Staats, Thamm and Rosenow 2025, AAAI 39(7), arXiv:2306.05497.
    """
    return -2.0 * on.expm1(log_p) / (1.0 + math.expm1(epsilon) * on.exp(log_p))


def mae_star_costs(log_probs: Any, like: float, on: BatchOperations = TENSORS) -> Any:
    """:func:`mae_star` of every class, ``(N, C)``, with the :func:`logit_bias` of their number."""
    return mae_star(log_probs, logit_bias(log_probs.shape[1], like), on)


def mae_star_slope(log_p: Tensor, epsilon: float) -> Tensor:
    r"""Derivative of :func:`mae_star`: :math:`-2 p_y e^\epsilon / (1 + p_y (e^\epsilon - 1))^2`."""
    p, excess = torch.exp(log_p), math.expm1(epsilon)
    return -2.0 * (1.0 + excess) * p / (1.0 + excess * p).square()


def logit_bias(n_classes: int, like: float) -> float:
    r"""The bias with which a uniform prediction of C classes is pulled as one of ``like`` classes without it.

    :math:`\epsilon = \log\frac{C - 1}{\mathit{like} - 1}`, and 0 where there are fewer classes than that.

    Args:
        n_classes: the class count C.
        like: above 1.
    """
    return math.log(max(1.0, (n_classes - 1) / (like - 1.0)))


class MaeStarLoss(CountedProbabilityLoss):
    r"""Mean absolute error with a logit bias; see :func:`mae_star`.

    The bias follows from the class count alone, so there is nothing to set. The paper finds it by the
    gradient of first predictions. Its own function of the class count could not be read; here it is
    :func:`logit_bias`: the first prediction, which is uniform, is pulled as that of a problem with few
    classes.

    Args:
        like: class count of that problem, above 1; a bias :math:`\epsilon` of one's own is
            :math:`1 + (C - 1) e^{-\epsilon}`. The paper has a bias for 10 classes already. Of 2, 4 and 10
            the default is what does well on digits both clean and with 40 % wrong labels: 2 fits wrong
            labels, 10 is absolute error there.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if ``like`` is out of range.

    Example:
        >>> criterion = MaeStarLoss(reduction="none")
        >>> print(criterion(torch.zeros(1, 100), torch.tensor([0])))  # as of 4 classes
        tensor([1.5000])
    """

    name: ClassVar[str] = "mae_star"
    reference: ClassVar[str] = "Staats, Thamm and Rosenow 2025, arXiv:2306.05497"
    formula: ClassVar[Formula | None] = Formula(mae_star_costs, "classes")
    ranges: ClassVar[Ranges] = {"like": Range(1.0, above=True, scale="log", search=(1.5, 100.0))}

    def __init__(
        self, weight: Tensor | None = None, *, like: float = 4.0, **options: Unpack[Options]
    ) -> None:
        super().__init__(weight, **options)
        self.like = self._in_range("like", like)

    def cost(self, log_p: Tensor, n_classes: int) -> Tensor:
        """See :func:`mae_star`."""
        return mae_star(log_p, logit_bias(n_classes, self.like))

    def slope(self, log_p: Tensor, n_classes: int) -> Tensor:
        """See :func:`mae_star_slope`."""
        return mae_star_slope(log_p, logit_bias(n_classes, self.like))
