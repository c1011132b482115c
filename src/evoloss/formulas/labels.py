"""The rule of label distributions over any array library.

A label distribution q costs ``sum_k w_k q_k L(p, k)``: an index target is the one-hot q, smoothing replaces q
by ``(1 - eps) q + eps / C``, and a row to ignore costs 0 and does not count in the mean.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from evoloss.formulas.operations import BatchOperations


class RowLabels(NamedTuple):
    """Labels of rows.

    Attributes:
        label: class indices, ``(N,)``, 0 for rows to ignore; None where labels are distributions.
        counted: mask of the rows that are not to be ignored, ``(N,)``.
        shares: of each class before smoothing, ``(N, C)``; None where only the label's own class has one.
        class_weights: weight times share of each class, ``(N, C)``; None likewise.
        label_weight: weight of the label, 0 for rows to ignore, ``(N,)``; the mean divides by their sum.
    """

    label: Any
    counted: Any
    shares: Any
    class_weights: Any
    label_weight: Any


def row_labels(
    logits: Any, target: Any, weight: Any, ignore_index: int | None, smoothing: float, on: BatchOperations
) -> RowLabels:
    """Take targets as ``nn.CrossEntropyLoss`` takes them.

    Args:
        logits: ``(N, C)``.
        target: class indices ``(N,)``, or class probabilities ``(N, C)``.
        weight: a factor a class, ``(C,)``; None for all ones.
        ignore_index: index target of rows that cost nothing; None for no such.
        smoothing: eps.
        on: operations.
    """
    n_classes, one = logits.shape[1], on.ones(logits[:, 0])
    factors: Any = 1.0 if weight is None else on.array(weight, logits)
    label, shares = None, None
    if len(target.shape) == 1:
        counted = target != ignore_index if ignore_index is not None else one > 0
        label = on.where(counted, target, 0)
        one_hot = on.numbers(on.places(n_classes, logits) == label[:, None], logits)
        label_weight = on.where(counted, one if weight is None else factors[label], 0.0)
        if smoothing > 0:
            shares = one_hot * on.numbers(counted, logits)[:, None]
            class_weights = ((1.0 - smoothing) * one_hot + smoothing / n_classes) * factors
    else:
        counted, label_weight, shares = one > 0, one, on.numbers(target, logits)
        class_weights = ((1.0 - smoothing) * shares + smoothing / n_classes) * factors
    return RowLabels(label, counted, shares, None if shares is None else class_weights, label_weight)


def weighted_costs(costs: Any, labels: RowLabels, on: BatchOperations) -> Any:
    """Costs of rows, ``(N,)``.

    Args:
        costs: of the labels, ``(N,)``; or of each class as the label, ``(N, C)``, where there are shares.
        labels: of the rows.
        on: operations.
    """
    if labels.shares is None:
        return on.where(labels.counted, costs * labels.label_weight, 0.0)
    # A class of probability 0 may cost infinitely much; where it has no share, that is nothing, not NaN.
    nothing = (labels.class_weights == 0) & ~on.is_finite(costs)
    mixed = on.total(on.where(nothing, 0.0, costs) * labels.class_weights)
    return on.where(labels.counted, mixed, 0.0)


def reduced(costs: Any, labels: RowLabels, reduction: str, on: BatchOperations) -> Any:
    """The mean or the sum of costs of rows, or the costs themselves; NaN for a mean over nothing."""
    if reduction == "none":
        return costs
    total = on.total(costs)
    return total if reduction == "sum" else total / on.total(labels.label_weight)
