"""Training labels that are likely to be wrong, by the predictions of a classifier."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

METHOD = "normalised margin"


def self_confidence(probs: Tensor, labels: Tensor) -> Tensor:
    """Return ``1 - p_label``, float64 ``(N,)``: the order of cleanlab's default, larger for more suspect.

    References:
        Northcutt et al. 2021, *Confident Learning: Estimating Uncertainty in Dataset Labels*,
        arXiv:1911.00068.
    """
    return 1 - probs.double().gather(1, labels[:, None]).flatten()


def average_precision(scores: Tensor, wrong: Tensor) -> float:
    """Return the area under the precision-recall curve of a ranking of labels, in ``[0, 1]``.

    Args:
        scores: larger for more suspect, ``(N,)``.
        wrong: whether each label is wrong, bool ``(N,)``, at least one of them.
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(wrong.numpy(), scores.numpy()))


@dataclass(frozen=True)
class Suspects:
    """Training labels in the order of how suspect they are.

    Attributes:
        probs: what the classifier gives to each class, ``(N, C)``.
        labels: as they were trained on, ``(N,)``.
        scores: float64 in ``[0, 1]``, larger for more suspect, ``(N,)``.
        suggested: the strongest class beside the label, ``(N,)``.
        order: the samples, most suspect first; among equals by their place, ``(N,)``.

    Example:
        >>> probs = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        >>> suspects = Suspects.of(probs, torch.tensor([0, 0, 1]))
        >>> suspects.order.tolist(), suspects.suggested.tolist()
        ([1, 2, 0], [1, 1, 0])
    """

    probs: Tensor
    labels: Tensor
    scores: Tensor
    suggested: Tensor
    order: Tensor

    @classmethod
    def of(cls, probs: Tensor, labels: Tensor) -> Suspects:
        r"""Score and sort labels by their normalised margin.

        That is :math:`(1 - p_{label} + \max_{k \ne label} p_k) / 2`.

        Args:
            probs: of classifiers that have not learned these labels by heart, ``(N, C)``, C at least 2.
            labels: class indices, ``(N,)``.
        """
        others = probs.double().scatter(1, labels[:, None], -1.0).max(dim=1)
        scores = (self_confidence(probs, labels) + others.values) / 2
        order = torch.argsort(scores, descending=True, stable=True)
        return cls(probs, labels, scores, others.indices, order)
