r"""The transitions from true classes to labels, estimated from a classifier's confident disagreements.

Counts as in confident learning: sample i counts for its label y and the class k for which it is most certain
among those that reach their threshold, the mean probability of class k over the samples labelled k. From
hundreds of samples the counts of C (C - 1) kinds of mistakes are mostly chance, so they are shrunk: towards
all classes alike where mistakes look random, not at all where they go to one class. How much, the counts say
themselves, by maximum likelihood of a Dirichlet-multinomial.

References:
    Northcutt et al. 2021, *Confident Learning: Estimating Uncertainty in Dataset Labels*, arXiv:1911.00068.
    Minka 2000, *Estimating a Dirichlet distribution*.
"""

from __future__ import annotations

import torch
from torch import Tensor

STRENGTHS = tuple(2.0**power for power in range(15))
"""Weights of the shrinkage that are tried, in samples."""
_LEAST, _MOST = 1e-3, 0.95  # share of wrong labels of a class


def confident_counts(probs: Tensor, labels: Tensor) -> Tensor:
    """Count samples by label (row) and by the class that they confidently are (column), ``(C, C)``.

    Args:
        probs: float64 ``(N, C)``.
        labels: ``(N,)``.
    """
    n_classes = probs.shape[1]
    sizes = torch.bincount(labels, minlength=n_classes)
    own = probs.gather(1, labels[:, None]).flatten()
    means = torch.bincount(labels, weights=own, minlength=n_classes) / sizes
    reached = probs >= means.nan_to_num(nan=2.0)  # a class without labels is nobody's
    best = probs.masked_fill(~reached, -1.0).argmax(dim=1)
    confident = reached.any(dim=1)
    places = labels[confident] * n_classes + best[confident]
    return torch.bincount(places, minlength=n_classes**2).view(n_classes, n_classes).double()


def estimate_transitions(probs: Tensor, labels: Tensor) -> Tensor:
    """Estimate how often a sample of a true class (column) is labelled as each class (row), ``(C, C)``.

    Args:
        probs: of classifiers that have not learned these labels by heart, float64 ``(N, C)``, C at least 2.
        labels: ``(N,)``.

    Example:
        >>> labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
        >>> probs = torch.tensor([[0.9, 0.1]] * 4 + [[0.1, 0.9]] * 3 + [[0.9, 0.1]]).double()
        >>> estimate_transitions(probs, labels).argmax(dim=0).tolist()
        [0, 1]
    """
    counts = confident_counts(probs, labels)
    n_classes = len(counts)
    diagonal = torch.eye(n_classes, dtype=torch.bool)
    wrong = counts.masked_fill(diagonal, 0.0)
    totals, n_wrong = counts.sum(dim=0), wrong.sum(dim=0)
    rate = (n_wrong.sum() / totals.sum()).nan_to_num(nan=0.0).clamp(_LEAST, _MOST)
    rates = _shrunk(torch.stack([n_wrong, totals - n_wrong], dim=1), torch.stack([rate, 1 - rate]))[:, 0]
    rates = rates.clamp(_LEAST, _MOST)
    # One row a true class: where its mistakes go.
    others = wrong.T[~diagonal].view(n_classes, n_classes - 1)
    targets = _shrunk(others, torch.full((n_classes - 1,), 1 / (n_classes - 1), dtype=torch.float64))
    transitions = torch.diag(1 - rates)
    transitions.T[~diagonal] = (targets * rates[:, None]).flatten()
    return transitions


def _shrunk(counts: Tensor, mean: Tensor) -> Tensor:
    """Shares of counts ``(R, K)``, by row, shrunk to ``mean`` ``(K,)`` by the likeliest strength."""
    strength = max(STRENGTHS, key=lambda value: float(_log_likelihood(counts, value * mean)))
    return (counts + strength * mean) / (counts.sum(dim=1, keepdim=True) + strength)


def _log_likelihood(counts: Tensor, prior: Tensor) -> Tensor:
    """Log-likelihood of counts under a Dirichlet-multinomial, but for a constant."""
    whole = prior.sum()
    by_row = torch.lgamma(whole) - torch.lgamma(counts.sum(dim=1) + whole)
    return (by_row + (torch.lgamma(counts + prior) - torch.lgamma(prior)).sum(dim=1)).sum()
