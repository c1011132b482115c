"""A call of a loss over any array library: from logits and targets to the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evoloss.formulas import BatchOperations
from evoloss.formulas.labels import RowLabels, reduced, row_labels, weighted_costs
from evoloss.networks.kinds.agreements import agreements_of, dense_agreements_of
from evoloss.networks.sensing.training import costs_of_state, statistics_after
from evoloss.networks.tempering import certainty

Numbers = Mapping[str, Any]


def costs_of_labels(
    cost: Callable[..., Any], numbers: Numbers, logits: Any, labels: RowLabels, on: BatchOperations
) -> Any:
    """Costs by a formula of the label's log-probability alone.

    Args:
        cost: the formula.
        numbers: of it.
        logits: ``(N, C)``.
        labels: of the rows.
        on: operations.

    Returns:
        The cost of each label, ``(N,)``, or of each class, ``(N, C)``, where several classes have a share.
    """
    log_probs = on.log_softmax(logits)
    if labels.shares is None:
        log_probs = on.chosen(log_probs, labels.label)
    return cost(log_probs, **numbers, on=on)


def costs_of_classes(
    cost: Callable[..., Any], numbers: Numbers, logits: Any, labels: RowLabels, on: BatchOperations
) -> Any:
    """Costs by a formula of all log-probabilities of a row; otherwise as :func:`costs_of_labels`."""
    return costs_of_logits(cost, numbers, on.log_softmax(logits), labels, on)


def costs_of_logits(
    cost: Callable[..., Any], numbers: Numbers, logits: Any, labels: RowLabels, on: BatchOperations
) -> Any:
    """Costs by a formula of the logits of a row; otherwise as :func:`costs_of_labels`."""
    costs = cost(logits, **numbers, on=on)
    return on.chosen(costs, labels.label) if labels.shares is None else costs


def costs_by_certainty(
    cost: Callable[..., Any], numbers: Numbers, logits: Any, labels: RowLabels, on: BatchOperations
) -> Any:
    """Costs by a formula that follows how certain a prediction is; otherwise as :func:`costs_of_labels`."""
    log_probs = on.log_softmax(logits)
    context = certainty(log_probs, on)
    if labels.shares is None:
        return cost(on.chosen(log_probs, labels.label), context, **numbers, on=on)
    return cost(log_probs, on.ones(log_probs) * context[:, None], **numbers, on=on)


def costs_by_agreement(
    cost: Callable[..., Any], numbers: Numbers, logits: Any, labels: RowLabels, on: BatchOperations
) -> Any:
    """Costs by a formula that follows how far the batch is learned; otherwise as :func:`costs_of_labels`."""
    log_probs = on.log_softmax(logits)
    if labels.shares is None:
        log_p = on.chosen(log_probs, labels.label)
        p, n_classes = on.exp(on.constant(log_p)), log_probs.shape[1]
        agreement = agreements_of(p, labels.label, labels.counted, n_classes, on)
        return cost(log_p, agreement, **numbers, on=on)
    agreement = dense_agreements_of(on.exp(on.constant(log_probs)), labels.shares, on)
    return cost(log_probs, agreement, **numbers, on=on)


def batch_of(
    logits: Any,
    target: Any,
    weight: Sequence[float] | None,
    ignore_index: int | None,
    label_smoothing: float,
    on: BatchOperations,
) -> tuple[Any, RowLabels, Sequence[int]]:
    """Logits as rows ``(N, C)``, their labels, and the shape of the positions that they are.

    Args:
        logits: with a class axis.
        target: class indices or probabilities.
        weight: a factor a class, or None.
        ignore_index: index target of rows that cost nothing, or None.
        label_smoothing: from 0 to 1.
        on: operations.

    Raises:
        ValueError: if shapes do not fit, or ``label_smoothing`` is out of range.
    """
    rows, target, shape = on.rows(logits, target)
    n_classes = rows.shape[1]
    if weight is not None and len(weight) != n_classes:
        raise ValueError(f"weight has {len(weight)} factors, expected one for each of {n_classes} classes")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be from 0 to 1, got {label_smoothing}")
    return rows, row_labels(rows, target, weight, ignore_index, label_smoothing, on), shape


def reduced_rows(
    costs: Any, labels: RowLabels, reduction: str, shape: Sequence[int], on: BatchOperations
) -> Any:
    """The result from the costs of rows, which are positions of a shape."""
    if reduction not in ("none", "sum", "mean"):
        raise ValueError(f'reduction must be "none", "sum" or "mean", got {reduction!r}')
    result = reduced(costs, labels, reduction, on)
    return result.reshape(shape) if reduction == "none" else result


def loss_of_batch(
    costs: Callable[..., Any],
    cost: Callable[..., Any],
    numbers_at: Callable[[int], Numbers],
    logits: Any,
    target: Any,
    weight: Sequence[float] | None,
    ignore_index: int | None,
    reduction: str,
    label_smoothing: float,
    on: BatchOperations,
) -> Any:
    """The loss of a batch by a formula without a state.

    Args:
        costs: the way of the formula from logits to costs, such as :func:`costs_of_labels`.
        cost: the formula.
        numbers_at: its numbers at a class count.
        logits: with a class axis.
        target: class indices or probabilities.
        weight: a factor a class, or None.
        ignore_index: index target of rows that cost nothing, or None.
        reduction: ``"none"``, ``"sum"`` or ``"mean"``.
        label_smoothing: from 0 to 1.
        on: operations.
    """
    rows, labels, shape = batch_of(logits, target, weight, ignore_index, label_smoothing, on)
    of_rows = costs(cost, numbers_at(rows.shape[1]), rows, labels, on)
    return reduced_rows(weighted_costs(of_rows, labels, on), labels, reduction, shape, on)


def costs_in_training(
    numbers: Numbers,
    state: Mapping[str, Any],
    log_probs: Any,
    labels: RowLabels,
    training: bool,
    on: BatchOperations,
) -> tuple[Any, dict[str, Any]]:
    """Costs of rows by statistics of the training, ``(N,)``, and those after the batch.

    Args:
        numbers: of the sensor.
        state: the statistics before.
        log_probs: of the predictions, ``(N, C)``.
        labels: of the rows.
        training: whether the batch is one of the training, which the statistics take in first.
        on: operations.
    """
    after = statistics_after(numbers, state, log_probs, labels, on) if training else dict(state)
    return weighted_costs(costs_of_state(numbers, after, log_probs, labels, on), labels, on), after


def loss_in_training(
    numbers: Numbers,
    state: Mapping[str, Any],
    logits: Any,
    target: Any,
    training: bool,
    weight: Sequence[float] | None,
    ignore_index: int | None,
    reduction: str,
    label_smoothing: float,
    on: BatchOperations,
) -> tuple[Any, dict[str, Any]]:
    """The loss of a batch by statistics of the training, and those after it.

    Arguments are those of :func:`costs_in_training` and of :func:`loss_of_batch`.
    """
    rows, labels, shape = batch_of(logits, target, weight, ignore_index, label_smoothing, on)
    costs, after = costs_in_training(numbers, state, on.log_softmax(rows), labels, training, on)
    return reduced_rows(costs, labels, reduction, shape, on), after
