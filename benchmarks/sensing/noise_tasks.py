"""Synthetic tasks with a known share of wrong labels, and the courses of trainings on them.

Two priors: few samples and students that can memorise them, and more samples and smaller students, which
learn slowly. Classes hardly overlap in either: where they do, nobody can tell an unclear sample from a wrong
label.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from evoloss.formulas import ARRAYS, FLOATS
from evoloss.networks.kinds.sensing import SensingNetwork
from evoloss.networks.sensing.course import course_moved_on, course_sums_of_arrays, initial_course, row_step
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.sensor import initial_state, recalled
from evoloss.networks.states import SlopeArgument
from evoloss.students.slope_tables import tabulate_network
from evoloss.students.students import Students
from evoloss.tasks import Prior, TaskGroup, draw_group, groups
from evoloss.tasks.noise import corrupt

TASKS = 4
"""Tasks of a group."""
_ANNOTATED = 2
"""The kind of noise, in ``NOISE_KINDS``, in the place of which annotators stand here."""

MEMORISED = Prior(
    classes=(3, 30),
    samples=(1500, 6000),
    features=(12, 64),
    separation=(6.0, 20.0),
    feature_noise=(0.05, 1.2),
    patched=0.45,
    patches=(6, 12),
    contrast=(0.8, 2.5),
    noisy=0.75,
    noise=(0.05, 0.8),
    noise_kinds={"symmetric": 1.0, "asymmetric": 1.0, "instance": 1.0},
    imbalanced=0.3,
    depth=(1, 2),
    width=(64, 192),
    batch=(24, 100),
    steps=(300, 2500),
    adam=0.2,
    rate=(0.02, 0.3),
    test_samples=1000,
    long=0.0,
)
SLOW = replace(
    MEMORISED,
    classes=(4, 20),
    samples=(4000, 14_000),
    features=(16, 64),
    separation=(3.0, 10.0),
    modes=(2, 6),
    feature_noise=(0.05, 1.0),
    patched=0.5,
    noisy=0.72,
    imbalanced=0.25,
    width=(12, 48),
    batch=(64, 128),
    steps=(500, 2500),
)
PRIORS: tuple[tuple[Prior, int, int], ...] = ((MEMORISED, 9000, 177), (SLOW, 70_000, 200))
"""Each with its first seed and its number of groups."""


@dataclass(frozen=True)
class Course:
    """A training, as the course of a sensing loss has it, and what is true of its labels.

    Attributes:
        group: the seed of the tasks that were drawn together.
        n_classes: the class count.
        noise: share of wrong labels.
        kind: ``"clean"``, ``"symmetric"``, ``"asymmetric"`` or ``"annotators"``.
        test_accuracy: at the end, from 0 to 1.
        told_apart: whether wrong labels were told from right ones once: the true class was predicted for more
            than twice as many of them as the label; of clean labels, whether the task was learned.
        rows: ``(epochs, len(READINGS))``.
    """

    group: int
    n_classes: int
    noise: float
    kind: str
    test_accuracy: float
    told_apart: bool
    rows: list[list[float]]


def courses(limit: int | None = None) -> Iterator[list[Course]]:
    """Train with cross-entropy on all tasks, or on ``limit`` groups of each prior; a group at a time."""
    for prior, first, count in PRIORS:
        for seed in range(first, first + min(count, limit or count)):
            yield group_courses(prior, seed)


def group_courses(prior: Prior, seed: int) -> list[Course]:
    """The courses of a group; those that diverged are left out."""
    with annotators() as drawn:
        group = draw_group(prior, TASKS, torch.Generator().manual_seed(seed), long=False)
    predictions = _predictions(group)
    order = group.plan.batches.transpose(0, 1)  # (tasks, steps, batch)
    found = []
    for task in range(TASKS):
        given, true = (labels[task][order[task]].numpy() for labels in (group.tasks.y, drawn["true"]))
        log_probs = [batch[task] for batch in predictions.log_probs]
        if predictions.diverged[task]:
            continue
        rows = course_of(log_probs, list(given), group.tasks.x.shape[1])
        noise, accuracy = float((given != true).mean()), float(predictions.accuracy[task])
        kind = ("symmetric", "asymmetric", "annotators")[int(drawn["kinds"][task])] if noise else "clean"
        apart = _told_apart(log_probs, given, true, group.tasks.x.shape[1], accuracy)
        if len(rows) > 1:
            found.append(Course(seed, group.tasks.n_classes, noise, kind, accuracy, apart, rows.tolist()))
    return found


def course_of(log_probs: list[Any], labels: list[Any], n_samples: int) -> Any:
    """The rows of a course from the batches of a training, ``(N, C)`` and ``(N,)`` each; never cut short."""
    n_classes = log_probs[0].shape[1]
    tensors = {**initial_state(n_classes), **initial_course(n_classes)}
    state: dict[str, Any] = {
        name: value.numpy() if value.dim() else value.item() for name, value in tensors.items()
    }
    state["n_samples"] = float(n_samples)
    for rounded, label in zip(log_probs, labels, strict=True):
        batch = rounded.astype(np.float32)
        predicted = batch.argmax(1)
        top = batch[np.arange(len(label)), predicted]
        some = slice(None, None, row_step(len(label)))
        read = top[some], predicted[some], batch[some].argmin(1), label[some]
        sums = {"number": len(label), "right": int((predicted == label).sum())}
        sums |= course_sums_of_arrays(*read, n_classes, ARRAYS)
        after = state | {**recalled(state, sums, state["n_samples"], FLOATS)}
        state = after | course_moved_on(state, after, sums, FLOATS, ARRAYS)
    rows = state["course"]
    return rows[rows[:, 0] > 0]


@contextmanager
def annotators() -> Iterator[dict[str, Tensor]]:
    """Labels of annotators in the place of instance-dependent noise; gives the true labels and the kinds."""
    drawn: dict[str, Tensor] = {}

    def labels(
        y: Tensor, rival: Tensor, doubt: Tensor, n_classes: int, rates: Tensor, kinds: Tensor, generator: Any
    ) -> Tensor:
        drawn["true"], drawn["kinds"] = y, kinds
        given = corrupt(y, rival, doubt, n_classes, rates, kinds.clamp(max=1), generator)
        for task in range(len(y)):
            if kinds[task] == _ANNOTATED:
                given[task] = annotated(
                    y[task], rival[task], doubt[task], n_classes, 0.55 * float(rates[task]), generator
                )
        return given

    with patch.object(groups, "corrupt", labels):
        yield drawn


def annotated(
    y: Tensor, rival: Tensor, doubt: Tensor, n_classes: int, rate: float, generator: torch.Generator
) -> Tensor:
    """Labels ``(N,)`` of annotators: classes that are mixed up, points that are unclear, and slips."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    mixed_up = (normal(n_classes, n_classes) * 1.5).fill_diagonal_(-1e9).softmax(1)
    by_class = (normal(n_classes) * 0.6).exp()
    shares = torch.rand(3, generator=generator).pow(1.5) + 0.05
    chance = torch.rand(len(y), generator=generator)
    cause = torch.multinomial(shares / shares.sum(), len(y), replacement=True, generator=generator)
    slip, class_error = cause == 0, cause == 1
    likely = torch.where(class_error, by_class[y] / by_class[y].mean(), doubt / doubt.mean())
    likely = torch.where(slip, 1.0, likely) * rate
    slipped = (y + torch.randint(1, n_classes, y.shape, generator=generator)) % n_classes
    confused = torch.multinomial(mixed_up[y], 1, generator=generator).squeeze(1)
    wrong = torch.where(slip, slipped, torch.where(class_error, confused, rival))
    return torch.where(chance < likely.clamp(max=0.75), wrong, y)


@dataclass(frozen=True)
class _Predictions:
    log_probs: list[Any]  # of each step float16 (tasks, batch, C)
    accuracy: Tensor
    diverged: Tensor


def _predictions(group: TaskGroup) -> _Predictions:
    """The predictions of all steps, of students that are trained with cross-entropy."""
    recorded: list[Any] = []

    class Recorder:
        def map(self, change: Any) -> Recorder:
            return self

        def begin(self, n_tasks: int, n_samples: int) -> Recorder:
            return self

        def take_in(self, log_probs: Tensor, is_label: Tensor) -> SlopeArgument:
            recorded.append(log_probs[:, 0].half().mT.numpy().copy())
            label = is_label.byte().argmax(dim=2, keepdim=True)
            return SlopeArgument(None, log_probs.gather(2, label))

    @dataclass(frozen=True, kw_only=True)
    class Watched(SensingNetwork):
        def states(self, params: Tensor, n_classes: int) -> Any:
            return Recorder()

    tables = tabulate_network(Watched(), SensorNumbers.set_by_hand()[None], group.tasks.n_classes)
    scores = Students(group.config, group.tasks, group.plan).train(tables)
    return _Predictions(recorded, scores.test_accuracy[-1, 0], scores.diverged[0])


def _told_apart(log_probs: list[Any], given: Any, true: Any, n_samples: int, accuracy: float) -> bool:
    """See :class:`Course`."""
    n_classes, wrong = log_probs[0].shape[1], given != true
    if wrong.mean() < 0.005:
        return bool(accuracy >= max(0.35, 3 / n_classes))
    predicted = np.stack([batch.argmax(1) for batch in log_probs])  # (steps, batch)
    epoch = np.arange(predicted.size).reshape(predicted.shape) // n_samples
    for number in range(1, int(epoch.max()) + 1):
        now = epoch == number
        learned = float((predicted == true)[now].mean())
        right, by_heart = (float((predicted == labels)[now & wrong].mean()) for labels in (true, given))
        whole = int(now.sum()) > n_samples / 2
        if whole and learned >= max(0.3, 2 / n_classes) and by_heart <= 0.5 * right:
            return True
    return False
