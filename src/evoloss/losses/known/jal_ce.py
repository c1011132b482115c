"""Joint asymmetric loss on cross-entropy."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch.nn.functional as F
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import ClassificationLoss, Options
from evoloss.losses.known.nce import normalised_cross_entropy
from evoloss.losses.known.ranges import Range, Ranges

__all__ = ["JalCeLoss", "asymmetric_mean_squared_error", "jal_ce"]


def asymmetric_mean_squared_error(log_probs: Any, a: float, on: BatchOperations = TENSORS) -> Any:
    r"""AMSE, :math:`\frac{1}{C} \|a e_k - p\|^2 = (a^2 - 2 a p_k + \sum_j p_j^2) / C` for every class k.

    Args:
        log_probs: log-probabilities, shape ``(N, C)``.
        a: length of the label vector, at least 1; 1 gives the Brier score over C.
        on: operations.

    References:
        Wang et al. 2025, arXiv:2507.17692.
    """
    probs = on.exp(log_probs)
    return (a * a - 2.0 * a * probs + on.beside(on.total(probs**2))) / log_probs.shape[1]


def jal_ce(log_probs: Any, alpha: float, beta: float, a: float, on: BatchOperations = TENSORS) -> Any:
    r"""JAL-CE, :math:`\alpha\,\mathrm{NCE} + \beta\,\mathrm{AMSE}` for every class; at least 0.

    A perfect prediction costs :math:`\beta (a - 1)^2 / C`, not 0.

    Args:
        log_probs: log-probabilities, shape ``(N, C)``.
        alpha: factor of :func:`~evoloss.losses.known.nce.normalised_cross_entropy`, at least 0.
        beta: factor of :func:`asymmetric_mean_squared_error`, at least 0.
        a: see there.
        on: operations.

    References:
        Wang et al. 2025, arXiv:2507.17692.
    """
    return alpha * normalised_cross_entropy(log_probs, on) + beta * asymmetric_mean_squared_error(
        log_probs, a, on
    )


class JalCeLoss(ClassificationLoss):
    """Joint asymmetric loss on cross-entropy; see :func:`jal_ce`.

    The paper's L1 penalty on the network's weights (5e-5 for CIFAR-10) belongs to training, not to the loss,
    and is left out; the published accuracies include it.

    Args:
        alpha: factor of the active part, at least 0. The default is the CIFAR-10 setting; CIFAR-100 has 5.
        beta: factor of the asymmetric part, at least 0. 1 for both CIFAR-10 and CIFAR-100.
        a: length of the label vector, from 1 to 1e6. The default is the CIFAR-10 setting; CIFAR-100 has 20.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if a parameter is out of range.

    Example:
        >>> criterion = JalCeLoss(alpha=1.0, beta=1.0, a=30.0)
        >>> print(criterion(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([1])))
        tensor(298.5585)
    """

    name: ClassVar[str] = "jal_ce"
    reference: ClassVar[str] = "Wang et al. 2025, arXiv:2507.17692"
    formula: ClassVar[Formula | None] = Formula(jal_ce, "classes")
    ranges: ClassVar[Ranges] = {
        "alpha": Range(0.0, scale="log", search=(0.1, 100.0)),
        "beta": Range(0.0, scale="log", search=(0.1, 100.0)),
        "a": Range(1.0, 1e6, scale="log", search=(1.0, 100.0)),
    }

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        alpha: float = 1.0,
        beta: float = 1.0,
        a: float = 30.0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(weight, **options)
        self.alpha = self._in_range("alpha", alpha)
        self.beta = self._in_range("beta", beta)
        self.a = self._in_range("a", a)

    def class_costs(self, logits: Tensor) -> Tensor:
        """See :func:`jal_ce`."""
        return jal_ce(F.log_softmax(logits, dim=1), self.alpha, self.beta, self.a)
