r"""The course of a training, epoch by epoch: what an estimate of the share of wrong labels is made of.

Of each of the first :data:`EPOCHS` epochs a row of :data:`READINGS`. Two of them say most. *Contradictions*:
of samples weighted by the odds of their prediction, or by their squares, the share that labels contradict,
mean over the predicted classes. Hard samples are contradicted too, so it is above the share of wrong labels
until they are learned. The *lowest class*: how often a label is the class that the prediction thinks least
likely, times :math:`C - 1`. Right labels of hard samples are hardly ever that, wrong ones drawn from all
classes are as often as any other: it is below the share of wrong labels, by what is not drawn from all.

Both hold as long as no label is known by heart. So rows end where wrong labels are being memorised. In a
small training set they are doubted before they are, and rows go on.
These are readings beside those of :mod:`evoloss.networks.sensing.sensor`, and no loss depends on them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evoloss.formulas import TENSORS, BatchOperations, Operations
from evoloss.networks.sensing.few import evidence_of_few
from evoloss.networks.sensing.sensor import (
    DOUBTED,
    Values,
    class_shares,
    is_known,
    mean_share,
    sample_weights,
)
from evoloss.networks.states import BatchSums, RunningState

EPOCHS = 64
"""Rows of a course; in later epochs nothing is read."""
READINGS = ("number", "right", "by_odds", "by_squares", "lowest", "sure_lowest", "recall")
"""Of an epoch: its samples; the shares of right predictions, of contradictions by odds and by squared odds,
and of labels that are the lowest class, of all samples and by odds, times C - 1; and the mean recall after
it."""
ROWS = 256
"""Samples of a batch that are read; of a larger one evenly spaced ones, at least as many."""

CLASS_SUMS = ("course_odds", "course_odds_off", "course_squares", "course_squares_off")
_SCALAR_SUMS = ("course_number", "course_right", "course_lowest", "course_sure_lowest")
_SUMS = (*_SCALAR_SUMS, *CLASS_SUMS)
ARRAYS_OF_COURSE = ("course", *CLASS_SUMS)
"""Statistics that are no plain numbers."""


def initial_course(n_classes: int) -> RunningState:
    """The statistics of a course that has not begun, float32.

    ``course`` has the rows, ``(EPOCHS, len(READINGS))``, 0 where there is none yet; the others are sums over
    the epoch in progress.
    """
    return {
        "course": torch.zeros(EPOCHS, len(READINGS), dtype=torch.float32),
        **{name: torch.zeros((), dtype=torch.float32) for name in _SCALAR_SUMS},
        **{name: torch.zeros(n_classes, dtype=torch.float32) for name in CLASS_SUMS},
    }


def row_step(n: int) -> int:
    """The distance of the samples that are read of n."""
    return max(1, n // ROWS)


def course_sums(
    odds: Any,
    contradicted: Any,
    lowest: Any,
    counted: Any,
    by_class: Callable[[Any], Any],
    of_samples: BatchOperations = TENSORS,
) -> BatchSums:
    """Sums over the samples of a batch that are read.

    Args:
        odds: of the predicted classes, by :func:`~evoloss.networks.sensing.sensor.sample_weights`, ``(N,)``.
        contradicted: how far the labels are other classes, from 0 to 1, ``(N,)``.
        lowest: how far they are the least likely class, likewise.
        counted: 1 for samples, 0 for rows that are none.
        by_class: adds values of samples up by their predicted class, ``(4, N)`` to ``(4, C)``.
        of_samples: operations on samples.
    """
    on, odds = of_samples, odds * counted
    squares = odds * odds
    both = by_class(on.stack([odds, odds * contradicted, squares, squares * contradicted]))
    return {
        "course_number": on.total(counted),
        "course_right": on.total(counted * (1 - contradicted)),
        "course_lowest": on.total(counted * lowest),
        "course_sure_lowest": on.total(odds * lowest),
        **dict(zip(CLASS_SUMS, both, strict=True)),
    }


def course_sums_of_arrays(
    top: NDArray[Any],
    predicted: NDArray[np.int64],
    lowest: NDArray[np.int64],
    label: NDArray[np.int64],
    n_classes: int,
    of_samples: Operations,
) -> dict[str, Any]:
    """The same for index labels in NumPy; ``predicted`` and ``lowest`` are classes, ``(N,)`` each."""
    odds = sample_weights(1.0, top, of_samples)
    squares, off, is_lowest = odds * odds, predicted != label, lowest == label
    weights = odds, odds * off, squares, squares * off
    return {
        "course_number": len(top),
        "course_right": len(top) - int(np.count_nonzero(off)),
        "course_lowest": int(np.count_nonzero(is_lowest)),
        "course_sure_lowest": float(odds @ is_lowest),
        **{
            name: np.bincount(predicted, values, n_classes)
            for name, values in zip(CLASS_SUMS, weights, strict=True)
        },
    }


def course_moved_on(
    before: Values,
    after: Values,
    sums: Values,
    of_training: Operations = TENSORS,
    of_classes: Operations = TENSORS,
) -> dict[str, Any]:
    """The course after a batch.

    Args:
        before: all statistics before the batch.
        after: those of the sensor after it.
        sums: over its samples, by :func:`course_sums`.
        of_training: operations on statistics of the whole training.
        of_classes: operations on those of each class.
    """
    at, is_over = of_training, after["completed"] > before["completed"]
    moved = {name: at.where(is_over, before[name] * 0, before[name]) + sums[name] for name in _SUMS}
    return {**moved, "course": _with_row(before, after, is_over, at, of_classes)}


def _with_row(before: Values, after: Values, is_over: Any, at: Operations, of_classes: Operations) -> Any:
    """The rows, with that of an epoch that is over if it is to be read."""
    early = evidence_of_few(before["excess"], at.at_least(before["n_samples"], 1), at) > DOUBTED
    is_read = is_over & ((before["memorised"] <= DOUBTED) | early) & is_known(before)
    course, index = before["course"], before["completed"]
    if isinstance(course, np.ndarray):
        if not is_read or not index < EPOCHS:
            return course
        changed = course.copy()
        changed[int(index)] = _row(before, after, at, of_classes)
        return changed
    on: Any = at  # of a library whose arrays are not written to
    row = on.stack([on.numbers(value, course) for value in _row(before, after, at, of_classes)])
    place = (on.places(EPOCHS, course) == index) & is_read
    return on.where(place[:, None], row, course)


def _row(before: Values, after: Values, at: Operations, of_classes: Operations) -> list[Any]:
    """The readings of the epoch whose sums are complete."""
    number = at.at_least(before["course_number"], 1)
    odds, odds_off, squares, squares_off = (before[name] for name in CLASS_SUMS)
    others = len(odds) - 1
    total = at.at_least(of_classes.total(odds), 1e-30)
    return [
        before["epoch_number"],  # how many are read is a matter of the batch
        before["course_right"] / number,
        mean_share(class_shares(odds, odds_off, of_classes), odds, at, of_classes),
        mean_share(class_shares(squares, squares_off, of_classes), squares, at, of_classes),
        before["course_lowest"] / number * others,
        before["course_sure_lowest"] / total * others,
        after["recall"],
    ]
