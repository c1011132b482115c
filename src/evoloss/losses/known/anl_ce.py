"""Active negative loss on cross-entropy."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Unpack

import torch.nn.functional as F
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula
from evoloss.losses.base import ClassificationLoss, Options
from evoloss.losses.known.nce import normalised_cross_entropy
from evoloss.losses.known.ranges import Range, Ranges

__all__ = ["AnlCeLoss", "anl_ce", "normalised_negative_cross_entropy"]


def normalised_negative_cross_entropy(log_probs: Any, min_prob: float, on: BatchOperations = TENSORS) -> Any:
    r"""NNCE, :math:`1 - (A + \log p_k) / \sum_j (A + \log p_j)` for every class k; in [0, 1].

    With A = -log ``min_prob`` and probabilities not taken below ``min_prob``, every A + log p is at least 0.

    Args:
        log_probs: log-probabilities, shape ``(N, C)``, with C below ``1 / min_prob``.
        min_prob: smallest probability told apart from 0, in (0, 1).
        on: operations.

    References:
        Ye et al. 2023, arXiv:2412.02373.
    """
    log_min = math.log(min_prob)
    margins = on.at_least(log_probs, log_min) - log_min
    return 1.0 - margins / on.beside(on.total(margins))


def anl_ce(log_probs: Any, alpha: float, beta: float, min_prob: float, on: BatchOperations = TENSORS) -> Any:
    r"""ANL-CE, :math:`\alpha\,\mathrm{NCE} + \beta\,\mathrm{NNCE}` for every class; in [0, alpha + beta].

    Args:
        log_probs: log-probabilities, shape ``(N, C)``, with C below ``1 / min_prob``.
        alpha: factor of :func:`~evoloss.losses.known.nce.normalised_cross_entropy`, at least 0.
        beta: factor of :func:`normalised_negative_cross_entropy`, at least 0.
        min_prob: see there.
        on: operations.

    References:
        Ye et al. 2023, arXiv:2412.02373.
    """
    active = normalised_cross_entropy(log_probs, on)
    return alpha * active + beta * normalised_negative_cross_entropy(log_probs, min_prob, on)


class AnlCeLoss(ClassificationLoss):
    """Active negative loss on cross-entropy; see :func:`anl_ce`. Checked against the authors' code.

    The paper's L1 penalty on the network's weights (5e-5 for CIFAR-10) belongs to training, not to the loss,
    and is left out; the published accuracies include it.

    Args:
        alpha: factor of the active part, at least 0. The default is the CIFAR-10 setting; CIFAR-100 has 10.
        beta: factor of the negative part, at least 0. The default is the CIFAR-10 setting; CIFAR-100 has 1.
        min_prob: smallest probability told apart from 0, in (0, 0.5], and below 1 / C for C classes. Below it
            the negative part has no gradient.
        weight: one factor a class; see :class:`ClassificationLoss`.
        **options: ``ignore_index``, ``reduction``, ``label_smoothing``; see there.

    Raises:
        ConfigError: if a parameter is out of range.

    Example:
        >>> criterion = AnlCeLoss(alpha=5.0, beta=5.0)
        >>> print(criterion(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([1])))
        tensor(5.7828)
    """

    name: ClassVar[str] = "anl_ce"
    reference: ClassVar[str] = "Ye et al. 2023, arXiv:2412.02373"
    formula: ClassVar[Formula | None] = Formula(anl_ce, "classes")
    ranges: ClassVar[Ranges] = {
        "alpha": Range(0.0, scale="log", search=(0.1, 100.0)),
        "beta": Range(0.0, scale="log", search=(0.1, 100.0)),
        "min_prob": Range(0.0, 0.5, above=True, scale="log", search=(1e-08, 0.01)),
    }

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        alpha: float = 5.0,
        beta: float = 5.0,
        min_prob: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(weight, **options)
        self.alpha = self._in_range("alpha", alpha)
        self.beta = self._in_range("beta", beta)
        self.min_prob = self._in_range("min_prob", min_prob)

    def class_costs(self, logits: Tensor) -> Tensor:
        """See :func:`anl_ce`.

        Raises:
            ValueError: if there are ``1 / min_prob`` classes or more.
        """
        n_classes = logits.shape[1]
        if n_classes * self.min_prob >= 1.0:
            raise ValueError(
                f"anl_ce: with min_prob={self.min_prob:g} this loss is for fewer than {1 / self.min_prob:g} "
                f"classes, got {n_classes}: of more there may be none above min_prob; give a smaller one"
            )
        return anl_ce(F.log_softmax(logits, dim=1), self.alpha, self.beta, self.min_prob)
