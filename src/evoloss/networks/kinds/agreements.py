"""Agreements: how far the labels of a batch are learned, class by class.

The formula is that of :mod:`evoloss.networks.kinds.paced`. Sums over the samples of each class are all that
an agreement needs of a batch, so that a batch may be given in parts.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations
from evoloss.networks.states import BatchSums
from evoloss.networks.tempering import certainty_of
from evoloss.networks.terms import wide_dtype

LEARNED, NUMBERS = "learned", "numbers"  # what the labels of each class get, and how many they are
BATCH_COUNT = 1  # m: the mean of the batch counts like one more sample of each class


def agreements_of(p: Any, target: Any, counts: Any, n_classes: int, on: BatchOperations = TENSORS) -> Any:
    """The agreement A of each position of a batch, ``(N,)``; sums are taken in float64.

    Args:
        p: probabilities of the labels, ``(N,)``; those that are NaN do not count.
        target: class indices, ``(N,)``.
        counts: which positions count, ``(N,)``; None for all.
        n_classes: the class count C.
        on: operations.

    Example:
        >>> p, target = torch.tensor([0.9, 0.7, 0.5]), torch.tensor([0, 0, 1])
        >>> agreements_of(p, target, None, n_classes=2)
        tensor([0.4000, 0.6000, 0.4000])
    """
    learned, one = _counted(p, counts, on)
    sums, numbers = on.by_class(on.stack([learned, one]), target, n_classes)
    mean = on.total(learned) / on.at_least(on.total(one), 1)
    return _of_others(sums[target] - learned, numbers[target] - one, mean, n_classes, p, on)


def class_sums(p: Tensor, target: Tensor, counts: Tensor | None, n_classes: int) -> BatchSums:
    """The sums of a batch, by which agreements are; arguments as for :func:`agreements_of`.

    Returns:
        What the labels of each class get and how many they are, ``(C,)``, wide.
    """
    both = torch.stack(_counted(p, counts, TENSORS))
    return dict(zip((LEARNED, NUMBERS), TENSORS.by_class(both, target, n_classes), strict=True))


def dense_sums(probs: Tensor, shares: Tensor) -> BatchSums:
    """The same of labels that are shares of the classes, ``(N, C)``."""
    learned, shares = _dense_counted(probs, shares, TENSORS)
    wide = wide_dtype(probs.device)
    return {LEARNED: learned.sum(0, dtype=wide), NUMBERS: shares.sum(0, dtype=wide)}


def agreements_among(sums: BatchSums, p: Tensor, target: Tensor, counts: Tensor | None) -> Tensor:
    """The agreements of positions that are a part of a larger batch, ``(N,)``.

    Args:
        sums: of the larger batch, these positions among them; see :func:`class_sums`.
        p: probabilities of the labels, ``(N,)``.
        target: class indices, ``(N,)``.
        counts: which positions count, ``(N,)``; None for all.

    Example:
        >>> p, target = torch.tensor([0.9, 0.7, 0.5]), torch.tensor([0, 0, 1])
        >>> agreements_among(class_sums(p, target, None, 2), p[:1], target[:1], None)
        tensor([0.4000])
    """
    learned, one = _counted(p, counts, TENSORS)
    of_class, numbers = sums[LEARNED].to(learned), sums[NUMBERS].to(one)
    mean = of_class.sum() / numbers.sum().clamp(min=1)
    others = of_class[target] - learned, numbers[target] - one
    agreements: Tensor = _of_others(*others, mean, len(numbers), p, TENSORS)
    return agreements


def dense_agreements_of(probs: Any, shares: Any, on: BatchOperations = TENSORS) -> Any:
    """The agreement that each position would have with each class as its label, ``(N, C)``.

    Args:
        probs: predictions, ``(N, C)``; those that are NaN do not count.
        shares: of the classes in each label, ``(N, C)``; zeros for positions that do not count.
        on: operations.

    Example:
        >>> probs = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.5, 0.5]])
        >>> dense_agreements_of(probs, shares=torch.eye(2)[[0, 0, 1]])
        tensor([[0.4000, 0.2000],
                [0.6000, 0.2000],
                [0.5333, 0.4000]])
    """
    learned, shares = _dense_counted(probs, shares, on)
    return _dense_of_others(
        on.column_sums(on.wide(learned)), on.column_sums(on.wide(shares)), learned, shares, on
    )


def dense_agreements_among(sums: BatchSums, probs: Tensor, shares: Tensor) -> Tensor:
    """The same of positions that are a part of a larger batch with these sums, ``(N, C)``."""
    learned, shares = _dense_counted(probs, shares, TENSORS)
    wide = wide_dtype(probs.device)
    agreements: Tensor = _dense_of_others(
        sums[LEARNED].to(wide), sums[NUMBERS].to(wide), learned, shares, TENSORS
    )
    return agreements


def _counted(p: Any, counts: Any, on: BatchOperations) -> tuple[Any, Any]:
    """Probabilities of the labels, and ones; both 0 where positions do not count. Wide."""
    p = on.constant(p)
    valid = on.is_finite(p) if counts is None else on.is_finite(p) & counts
    # A running sum in float32 stops growing at 2^24 positions.
    return on.wide(on.where(valid, p, 0.0)), on.wide(valid)


def _dense_counted(probs: Any, shares: Any, on: BatchOperations) -> tuple[Any, Any]:
    """Probabilities times shares, and shares; both 0 where positions do not count."""
    probs = on.constant(probs)
    valid = on.beside(on.is_finite(on.total(probs)))  # of probabilities: where all of a row are
    shares = on.numbers(on.where(valid, on.constant(shares), 0.0), probs)
    return on.where(shares == 0, 0.0, probs * shares), shares


def _dense_of_others(sums: Any, numbers: Any, learned: Any, shares: Any, on: BatchOperations) -> Any:
    mean = on.total(sums) / on.at_least(on.total(numbers), 1)
    return _of_others(sums - learned, numbers - shares, mean, shares.shape[-1], shares, on)


def _of_others(sums: Any, numbers: Any, mean: Any, n_classes: int, like: Any, on: BatchOperations) -> Any:
    """Agreements from what the others of a class give to their labels, and how many they are.

    The sums are wide, what they are sums of has the rounding of ``like``.
    """
    share = (sums + BATCH_COUNT * mean) / (numbers + BATCH_COUNT)
    return certainty_of(on.numbers(share, like), n_classes, on)
