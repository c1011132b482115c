"""Calls of a sensing loss in a training, over any array library: statistics in, costs and statistics out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evoloss.formulas import BatchOperations
from evoloss.formulas.labels import RowLabels
from evoloss.networks.sensing.course import course_moved_on
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.response import Response, common_cost, label_cost, response
from evoloss.networks.sensing.samples import (
    Samples,
    lowest_of_labels,
    lowest_of_shares,
    rows_read,
    samples_of_labels,
    samples_of_shares,
    sums_of_course,
    sums_of_samples,
)
from evoloss.networks.sensing.sensor import OF_CLASSES, SCALARS, moved_on, sample_weights


def first_statistics(n_classes: int, n_samples: float, like: Any, on: BatchOperations) -> dict[str, Any]:
    """The statistics of a training that has not begun, without those of a course.

    Args:
        n_classes: the class count.
        n_samples: the size of the training set, 0 where it is not known.
        like: an array of their dtype.
        on: operations.
    """
    state = {name: on.array(0.0, like) for name in SCALARS}
    state |= {name: on.array([0.0] * n_classes, like) for name in OF_CLASSES}
    return {**state, "n_samples": on.array(float(n_samples), like)}


def sensor_numbers(numbers: Mapping[str, float], like: Any, on: BatchOperations) -> SensorNumbers[Any]:
    """The numbers of a sensor in the dtype of another array."""
    return SensorNumbers(**{name: on.array(value, like) for name, value in numbers.items()})


def samples_of(log_probs: Any, labels: RowLabels, on: BatchOperations) -> tuple[Samples, Any]:
    """The samples of a batch with labels of either kind, and the predicted class of each."""
    top, predicted = on.most_likely(log_probs)
    if labels.shares is not None:
        return samples_of_shares(log_probs, labels.shares, top, predicted, on), predicted
    label, n_classes = labels.label, log_probs.shape[1]
    samples = samples_of_labels(
        *(log_probs, label, labels.counted, top, predicted),
        lambda values: on.by_class(values, label, n_classes),
        on,
    )
    return samples, predicted


def statistics_after(
    numbers: Mapping[str, float],
    state: Mapping[str, Any],
    log_probs: Any,
    labels: RowLabels,
    on: BatchOperations,
) -> dict[str, Any]:
    """The statistics after a batch, in the dtypes they had; those of a course stay as they are.

    Args:
        numbers: of the sensor.
        state: the statistics before.
        log_probs: of the predictions, ``(N, C)``.
        labels: of the rows.
        on: operations.
    """
    log_probs, n_classes = on.constant(log_probs), log_probs.shape[1]
    made = sensor_numbers(numbers, log_probs, on)
    samples, predicted = samples_of(log_probs, labels, on)
    sums = sums_of_samples(
        samples, made.emphasis, lambda values: on.by_class(values, predicted, n_classes), on
    )
    after = moved_on(made, state, sums, on, on)
    return {name: on.numbers(value, state[name]) for name, value in after.items()}


def course_after(
    state: Mapping[str, Any],
    after: Mapping[str, Any],
    log_probs: Any,
    labels: RowLabels,
    on: BatchOperations,
) -> dict[str, Any]:
    """The statistics of a course after a batch.

    Args:
        state: all statistics before.
        after: those of the sensor after it.
        log_probs: of the predictions, ``(N, C)``.
        labels: of the rows.
        on: operations.
    """
    log_probs, n_classes = on.constant(log_probs), log_probs.shape[1]
    read = rows_read(len(log_probs))
    samples, predicted = samples_of(log_probs, labels, on)
    lowest = on.least_likely(log_probs[read])
    if labels.shares is None:
        is_lowest = lowest_of_labels(lowest, labels.label, samples.weight, on)
    else:
        is_lowest = lowest_of_shares(lowest, labels.shares, samples.weight, on)
    odds = sample_weights(1.0, samples.top[read], on)
    sums = sums_of_course(
        samples, is_lowest, odds, lambda values: on.by_class(values, predicted[read], n_classes), on
    )
    moved = course_moved_on(on.alike(state, log_probs), on.alike(after, log_probs), sums, on, on)
    return {name: on.numbers(value, state[name]) for name, value in moved.items()}


def costs_of_state(
    numbers: Mapping[str, float],
    state: Mapping[str, Any],
    log_probs: Any,
    labels: RowLabels,
    on: BatchOperations,
) -> Any:
    """Costs at given statistics: of the labels, ``(N,)``, or of each class where labels are distributions."""
    made, n_classes = sensor_numbers(numbers, log_probs, on), log_probs.shape[1]
    top, predicted = on.most_likely(on.constant(log_probs))
    learning, doubt, exponent = response(made, state, n_classes, on, on)
    common, exponent = common_cost(log_probs, learning, made.smoothing, on), exponent[predicted]
    if labels.shares is None:
        of_labels = Response(learning, doubt[labels.label], exponent)
        log_p = on.chosen(log_probs, labels.label)
        return label_cost(log_p, top, of_labels, made.poly, n_classes, on) + common[:, 0]
    of_classes = Response(learning, doubt[None], exponent[:, None])
    return label_cost(log_probs, top[:, None], of_classes, made.poly, n_classes, on) + common
