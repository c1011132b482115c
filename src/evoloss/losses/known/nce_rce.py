"""Normalised plus reverse cross-entropy, the best-known active-passive loss."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Unpack

import torch.nn.functional as F
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import ClassificationLoss, Options
from evoloss.losses.known.nce import normalised_cross_entropy
from evoloss.losses.known.ranges import Range, Ranges
from evoloss.losses.known.rce import reverse_cross_entropy

__all__ = ["NceRceLoss", "nce_rce"]


def nce_rce(log_probs: Any, alpha: float, beta: float, log_zero: float, on: BatchOperations = TENSORS) -> Any:
    r"""NCE+RCE, :math:`\alpha \log p_k / \sum_j \log p_j - \beta A (1 - p_k)` for every class k; at least 0.

    Args:
        log_probs: log-probabilities, shape ``(N, C)``.
        alpha: factor of normalised cross-entropy, at least 0.
        beta: factor of reverse cross-entropy, at least 0.
        log_zero: A, the finite number that stands for log 0; below 0.
        on: operations.

    References:
        Ma et al. 2020, arXiv:2006.13554.
    """
    return alpha * normalised_cross_entropy(log_probs, on) + beta * reverse_cross_entropy(
        log_probs, log_zero, on
    )


class NceRceLoss(ClassificationLoss):
    """Normalised plus reverse cross-entropy; see :func:`nce_rce`.

    Args:
        alpha: factor of the active part, at least 0. The default is the CIFAR-10 setting; CIFAR-100 has 10.
        beta: factor of the passive part, at least 0. The default is the CIFAR-10 setting; CIFAR-100 has 0.1.
        log_zero: A, in [-1000, -0.001]. The authors' code clamps the one-hot label at 1e-4; its log is -9.21.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if a parameter is out of range.

    Example:
        >>> criterion = NceRceLoss(alpha=1.0, beta=0.5)
        >>> print(criterion(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([1])))
        tensor(4.5893)
    """

    name: ClassVar[str] = "nce_rce"
    reference: ClassVar[str] = "Ma et al. 2020, arXiv:2006.13554"
    formula: ClassVar[Formula | None] = Formula(nce_rce, "classes")
    ranges: ClassVar[Ranges] = {
        "alpha": Range(0.0, scale="log", search=(0.1, 100.0)),
        "beta": Range(0.0, scale="log", search=(0.01, 100.0)),
        "log_zero": Range(-1000.0, -0.001, search=(-10.0, -1.0)),
    }

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        alpha: float = 1.0,
        beta: float = 1.0,
        log_zero: float = math.log(1e-4),
        **options: Unpack[Options],
    ) -> None:
        super().__init__(weight, **options)
        self.alpha = self._in_range("alpha", alpha)
        self.beta = self._in_range("beta", beta)
        self.log_zero = self._in_range("log_zero", log_zero)

    def class_costs(self, logits: Tensor) -> Tensor:
        """See :func:`nce_rce`."""
        return nce_rce(F.log_softmax(logits, dim=1), self.alpha, self.beta, self.log_zero)
