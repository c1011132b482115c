"""Training labels that are likely to be wrong, by the predictions of a classifier."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evoloss.compare.keeping.noise_model import estimate_transitions

METHOD = "odds of the likeliest other class against the label, under an estimated matrix of label noise"
_STEPS = 3  # of expectation and maximisation for each sample
_ROWS = 16_384  # scored at once
_TINY = 1e-300


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
        suggested: the likeliest class beside the label, ``(N,)``.
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
        r"""Score and sort labels.

        A classifier that learns from noisy labels predicts the label, p = T q, not the class; T is the matrix
        of :func:`~evoloss.compare.keeping.noise_model.estimate_transitions`. Three steps of expectation and
        maximisation from q = p take T out again. With :math:`w_k = q_k T_{yk}`, the chance that the class is
        k and is labelled y, the score is :math:`w_j / (w_y + w_j)` for the likeliest :math:`j \ne y`. Where
        mistakes are random its order is nearly that of the margin; where they have a direction, a doubt in
        that direction counts for more.

        Args:
            probs: of classifiers that have not learned these labels by heart, ``(N, C)``, C at least 2.
            labels: class indices, ``(N,)``.
        """
        transitions = estimate_transitions(probs.double(), labels)
        parts = [
            _score(rows.double(), own, transitions)
            for rows, own in zip(torch.split(probs, _ROWS), torch.split(labels, _ROWS), strict=True)
        ]
        scores, suggested = (torch.cat(column) for column in zip(*parts, strict=True))
        return cls(probs, labels, scores, suggested, torch.argsort(scores, descending=True, stable=True))


def _score(probs: Tensor, labels: Tensor, transitions: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of some samples, and the class that each suggests."""
    classes = probs
    for _ in range(_STEPS):
        predicted = (classes @ transitions.T).clamp_min(_TINY)
        classes = classes * ((probs / predicted) @ transitions)
        classes = classes / classes.sum(dim=1, keepdim=True).clamp_min(_TINY)
    odds = classes * transitions[labels]
    own = odds.gather(1, labels[:, None]).flatten()
    # Below any odds, so that the label is not its own rival, even where all others are 0.
    others = odds.scatter(1, labels[:, None], -1.0).max(dim=1)
    return others.values / (own + others.values).clamp_min(_TINY), others.indices
