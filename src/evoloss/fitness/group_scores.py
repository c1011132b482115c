"""Scores of candidates on groups of tasks: students are trained with each, and with cross-entropy.

A chunk of candidates on a group is one piece of work, a function of its arguments alone: anything with
``submit`` can run them, in any order, for the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.networks import LossNetwork
from evoloss.random_streams import stream
from evoloss.students.joined_tables import join_tables
from evoloss.students.slope_tables import tabulate_functions, tabulate_network
from evoloss.students.students import Students
from evoloss.tasks.groups import draw_group
from evoloss.tasks.prior import Prior

CHUNK = 32  # candidates that are evaluated together on a group
_REFERENCE = CrossEntropyLoss()


class Submits(Protocol):
    """Anything that runs a function elsewhere, such as an executor of :mod:`concurrent.futures`."""

    def submit(self, function: Any, /, *args: Any) -> Future[Any]:
        """Run ``function(*args)``."""
        ...


@dataclass(frozen=True)
class TaskGroupSpec:
    """A group of tasks before it is drawn, named by the seed, the labels of its stream and its number.

    Attributes:
        prior: the distribution of tasks.
        seed: of the run.
        labels: name the stream, with the number of the group behind them.
        group: the number.
        tasks: tasks of the group.
        long: whether it is long; None draws it.
        stretch: factor of the training steps.
        rates: learning rates that every task is trained at.

    Example:
        >>> from evoloss.tasks import named_prior
        >>> spec = TaskGroupSpec(named_prior("label-noise"), seed=7, labels=("mine",), group=0, tasks=4)
        >>> spec.long is None
        True
    """

    prior: Prior
    seed: int
    labels: tuple[str | int, ...]
    group: int
    tasks: int
    long: bool | None = None
    stretch: float = 1.0
    rates: int = 1


class GroupScores(NamedTuple):
    """Students of cross-entropy (first) and of the candidates, by evaluation, candidate and task.

    Attributes:
        accuracy: in percent; chance where a student diverged, ``(evaluations, 1 + candidates, tasks)``.
        nll: calibrated; that of a uniform prediction where a student diverged, likewise.
        is_clean: tasks all of whose training labels are right, bool, ``(tasks,)``.
    """

    accuracy: Tensor
    nll: Tensor
    is_clean: Tensor


def score_group(spec: TaskGroupSpec, network: LossNetwork, params: Tensor) -> GroupScores:
    """Train the students of cross-entropy and of candidates ``(n, n_params)`` on one group.

    Example:
        >>> from evoloss.networks import NETWORKS
        >>> from evoloss.tasks import Prior
        >>> network = NETWORKS["mixture"]()
        >>> spec = TaskGroupSpec(Prior(samples=(60, 60)), 0, ("mine",), group=0, tasks=2, long=False)
        >>> score_group(spec, network, torch.zeros(3, network.n_params)).nll.shape[1:]
        torch.Size([4, 2])
    """
    generator = stream(spec.seed, *spec.labels, spec.group)
    group = draw_group(
        spec.prior, spec.tasks, generator, long=spec.long, stretch=spec.stretch, rates=spec.rates
    )
    n_classes = group.tasks.n_classes
    like = params.float()
    reference = tabulate_functions([_REFERENCE.slopes(n_classes)], n_classes, like=like)
    tables = join_tables([reference, tabulate_network(network, like, n_classes)])
    scores = Students(group.config, group.tasks, group.plan).train(tables)
    accuracy = 100 * scores.test_accuracy.nan_to_num(nan=1 / n_classes)
    nll = scores.test_scaled_nll.nan_to_num(nan=math.log(n_classes))
    accuracy, nll = _at_best_rate(accuracy, nll, spec.rates)
    return GroupScores(accuracy, nll, group.noise == 0)


def _at_best_rate(accuracy: Tensor, nll: Tensor, rates: int) -> tuple[Tensor, Tensor]:
    """Each loss on each task at the rate with its best accuracy at the end, then its best likelihood."""
    if rates == 1:
        return accuracy, nll
    by_rate = [score.reshape(*score.shape[:2], -1, rates) for score in (accuracy, nll)]
    # A hundredth of a point for a nat: accuracies are multiples of more than that.
    best = (by_rate[0][-1] - 0.01 * by_rate[1][-1]).argmax(dim=2)
    index = best[None, :, :, None].expand(by_rate[0].shape[0], -1, -1, 1)
    best_accuracy, best_nll = (metric.gather(3, index).squeeze(3) for metric in by_rate)
    return best_accuracy, best_nll


def score_groups(
    network: LossNetwork, params: Tensor, specs: Sequence[TaskGroupSpec], executor: Submits | None = None
) -> list[GroupScores]:
    """The scores of each group, its chunks of candidates joined; those of cross-entropy come first.

    Example:
        >>> from evoloss.networks import NETWORKS
        >>> from evoloss.tasks import Prior
        >>> network = NETWORKS["mixture"]()
        >>> specs = [TaskGroupSpec(Prior(samples=(60, 60)), 0, ("mine",), group=0, tasks=2, long=False)]
        >>> scores = score_groups(network, torch.zeros(3, network.n_params), specs)
        >>> scores[0].accuracy.shape[1:]  # cross-entropy and three candidates, two tasks
        torch.Size([4, 2])
    """
    chunks = torch.split(params, CHUNK)
    if executor is None:
        done = [[score_group(spec, network, chunk) for chunk in chunks] for spec in specs]
    else:
        waiting = [[executor.submit(score_group, spec, network, chunk) for chunk in chunks] for spec in specs]
        done = [[future.result() for future in row] for row in waiting]
    return [_join(chunk_scores) for chunk_scores in done]


def _join(chunk_scores: Sequence[GroupScores]) -> GroupScores:
    """The scores of a group from those of its chunks, all of which begin with cross-entropy."""
    accuracy, nll = (
        torch.cat([first, *(scores[:, 1:] for scores in others)], dim=1)
        for first, *others in zip(*(scores[:2] for scores in chunk_scores), strict=True)
    )
    return GroupScores(accuracy, nll, chunk_scores[0].is_clean)
