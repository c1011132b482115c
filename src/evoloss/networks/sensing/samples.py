"""Samples of a batch as the sensor and the course read them, from predictions and labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from evoloss.formulas import TENSORS, BatchOperations
from evoloss.networks.sensing.course import course_sums, row_step
from evoloss.networks.sensing.sensor import TINY, batch_sums
from evoloss.networks.sensing.surprise import surprise
from evoloss.networks.states import BatchSums


class Samples(NamedTuple):
    """The samples of a batch; 0 where a row is none.

    Attributes:
        top: log-probabilities of the predicted classes, ``(N,)``.
        right: how far the predicted class is the label, from 0 to 1, ``(N,)``.
        given: the probability that is given to the label, ``(N,)``.
        surprising: how surprising the label is, ``(N,)``.
        weight: 1 for samples, 0 for rows that are none, ``(N,)``.
        labelled: the number of labels of each class, ``(C,)``.
    """

    top: Any
    right: Any
    given: Any
    surprising: Any
    weight: Any
    labelled: Any


def samples_of_labels(
    log_probs: Any,
    label: Any,
    counted: Any,
    top: Any,
    predicted: Any,
    by_label: Callable[[Any], Any],
    on: BatchOperations = TENSORS,
) -> Samples:
    """Samples whose labels are class indices.

    Args:
        log_probs: of the predictions, ``(N, C)``.
        label: class indices, ``(N,)``.
        counted: which rows are not to be ignored, ``(N,)``.
        top: the largest log-probability of each row.
        predicted: its class.
        by_label: adds values of rows up by their label, ``(1, N)`` to ``(1, C)``.
        on: operations.
    """
    n_classes = log_probs.shape[-1]
    right = on.numbers(predicted == label, log_probs)
    given = on.exp(on.chosen(log_probs, label))
    surprising = surprise(top, given, n_classes, on)
    counted = counted & on.is_finite(top)
    weight = on.numbers(counted, log_probs)
    labelled = by_label(weight[None])[0]
    return _of_counted(counted, top, right, given, surprising, weight, labelled, on)


def samples_of_shares(
    log_probs: Any, shares: Any, top: Any, predicted: Any, on: BatchOperations = TENSORS
) -> Samples:
    """Samples whose labels are distributions ``(N, C)``; zeros for rows that are none."""
    total = on.total(shares)
    counted = (total > 0) & on.is_finite(total)
    # Of a mixed label the class with the largest share is right, another as far as it has a share.
    largest = on.at_least(on.largest(shares), TINY)
    right = on.at_least(on.chosen(shares, predicted) / largest, 0.0)
    p = on.exp(log_probs)
    given, surprising = (
        on.total(on.where(shares > 0, value * shares, 0.0)) / total
        for value in (p, surprise(top[:, None], p, log_probs.shape[-1], on))
    )
    labelled = on.column_sums(on.where(counted[:, None], shares / total[:, None], 0.0))
    counted = counted & on.is_finite(top)
    weight = on.numbers(counted, log_probs)
    return _of_counted(counted, top, right, given, surprising, weight, labelled, on)


def _of_counted(
    counted: Any,
    top: Any,
    right: Any,
    given: Any,
    surprising: Any,
    weight: Any,
    labelled: Any,
    on: BatchOperations,
) -> Samples:
    """The samples with 0 for rows that are none."""
    top, right, given, surprising = (
        on.where(counted, value, 0.0) for value in (top, right, given, surprising)
    )
    return Samples(top, right, given, surprising, weight, labelled)


def rows_read(n: int) -> slice:
    """The rows of a batch of n that a course reads."""
    return slice(None, None, row_step(n))


def lowest_of_labels(lowest: Any, label: Any, weight: Any, on: BatchOperations = TENSORS) -> Any:
    """1 where the label is the least likely class, of the rows that a course reads, else 0.

    Args:
        lowest: the least likely class of these rows.
        label: class indices, ``(N,)``.
        weight: 1 for samples, 0 for rows that are none, ``(N,)``.
        on: operations.
    """
    read = rows_read(len(label))
    return on.where(weight[read] > 0, on.numbers(lowest == label[read], weight), 0.0)


def lowest_of_shares(lowest: Any, shares: Any, weight: Any, on: BatchOperations = TENSORS) -> Any:
    """The same from 0 to 1, of labels that are distributions ``(N, C)``."""
    # What all classes have, as in a label that is smoothed, makes none of them the label.
    some = shares[rows_read(len(shares))]
    common, largest = on.smallest(some), on.at_least(on.largest(some), TINY)
    above = on.chosen(some, lowest) - common
    is_lowest = above / on.at_least(largest - common, TINY)
    return on.where(weight[rows_read(len(shares))] > 0, is_lowest, 0.0)


def sums_of_samples(
    samples: Samples, emphasis: Any, by_class: Callable[[Any], Any], on: BatchOperations = TENSORS
) -> BatchSums:
    """Sums over the samples for the sensor; see :func:`evoloss.networks.sensing.sensor.batch_sums`."""
    top, right, given, surprising, weight, labelled = samples
    return batch_sums(emphasis, top, 1 - right, surprising, given, weight, labelled, by_class, on)


def sums_of_course(
    samples: Samples,
    is_lowest: Any,
    odds: Any,
    by_class: Callable[[Any], Any],
    on: BatchOperations = TENSORS,
) -> BatchSums:
    """Sums for the course; see :func:`evoloss.networks.sensing.course.course_sums`.

    Args:
        samples: of the batch.
        is_lowest: how far labels are the least likely class, of the rows that are read.
        odds: of the predictions of the rows that are read.
        by_class: adds values of these rows up by their predicted class.
        on: operations.
    """
    read = rows_read(len(samples.top))
    right, weight = samples.right[read], samples.weight[read]
    return course_sums(odds, 1 - right, is_lowest, weight, by_class, on)
