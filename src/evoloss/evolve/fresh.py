"""Losses side by side on fresh tasks: the one that was evolved, the shipped ones, cross-entropy and GCE.

No generation was trained on these tasks, and nothing was chosen by them. Students of all losses share data,
start, batches and learning rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from evoloss.evolve.budget import FEWEST_VERDICT, MOST_VERDICT, VERDICT_TASKS
from evoloss.evolve.executor import Recorded
from evoloss.evolve.journal import Key
from evoloss.fitness import TaskGroupSpec
from evoloss.losses.evolved import EvolvedLoss
from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.losses.known.gce import GceLoss
from evoloss.networks import LossNetwork, SlopesByCount
from evoloss.random_streams import stream
from evoloss.students import SlopeTables, Students, tabulate_functions
from evoloss.students.joined_tables import join_tables
from evoloss.students.slope_tables import tabulate_network
from evoloss.tasks import Prior, draw_group
from evoloss.zoo import SHIPPED

KNOWN: dict[str, SlopesByCount] = {"cross_entropy": CrossEntropyLoss().slopes, "gce": GceLoss().slopes}
"""Known losses of the verdict, as they are used; cross-entropy first."""
RIVALS = (*KNOWN, *SHIPPED)
"""All losses that an evolved one is compared with."""
_SEED = (
    20_261_130  # apart from every search, whatever its seed: runs in one regime are judged on the same tasks
)
_MARGIN = 1.2  # the next groups may be larger than those before
_TEMPERATURES = tuple(0.2 * 1.15**step for step in range(42))  # to 62


class GroupResult(NamedTuple):
    """Losses on a group of tasks, the evolved one last.

    Attributes:
        accuracy: in percent, ``(losses, tasks)``; at its best rate where a task has several.
        nll: as the students are, likewise.
        scaled_nll: at the best temperature, likewise.
        temperature: that temperature, likewise.
    """

    accuracy: Tensor
    nll: Tensor
    scaled_nll: Tensor
    temperature: Tensor


def judge_group(spec: TaskGroupSpec, network: LossNetwork, params: Tensor) -> GroupResult:
    """Train the students of all rivals and of the loss with parameters ``(n_params,)`` on a group."""
    generator = stream(spec.seed, *spec.labels, spec.group)
    group = draw_group(spec.prior, spec.tasks, generator, long=spec.long, rates=spec.rates)
    students = Students(group.config, group.tasks, replace(group.plan, temperatures=_TEMPERATURES))
    scores = [students.train(tables) for tables in _tables(network, params, group.tasks.n_classes)]
    n_classes = group.tasks.n_classes
    columns = [
        torch.cat([getattr(score, name)[-1] for score in scores]).nan_to_num(nan=failed)
        for name, failed in (
            ("test_accuracy", 1 / n_classes),
            ("test_nll", math.log(n_classes)),
            ("test_scaled_nll", math.log(n_classes)),
            ("temperature", 1.0),
        )
    ]
    by_rate = [column.view(len(column), -1, spec.rates) for column in columns]
    best = (by_rate[0] - 1e-4 * by_rate[2]).argmax(dim=2, keepdim=True)
    accuracy, *others = (column.gather(2, best).squeeze(2) for column in by_rate)
    return GroupResult(100 * accuracy, *others)


@lru_cache(maxsize=1)
def _shipped() -> list[tuple[LossNetwork, Tensor]]:
    """The shipped losses, which no process reads twice."""
    losses = [EvolvedLoss.from_pretrained(name) for name in SHIPPED]
    return [(loss.network, loss.params.detach().float().flatten()) for loss in losses]


def _tables(network: LossNetwork, params: Tensor, n_classes: int) -> list[SlopeTables]:
    """Tables of the rivals and then of the evolved loss, in one population where that is possible."""
    like = params.float()
    known = [slopes(n_classes) for slopes in KNOWN.values()]
    rivals = [tabulate_functions(known, n_classes, like=like)]
    rivals += [tabulate_network(kind, row[None].to(like), n_classes) for kind, row in _shipped()]
    own = tabulate_network(network, like[None], n_classes)
    if own.states is None:
        return [join_tables([*rivals, own])]
    return [join_tables(rivals), own]  # one population may have a state, and adaptive has one


@dataclass(frozen=True)
class FreshTasks:
    """Measurements of several losses on fresh tasks.

    Attributes:
        names: of the losses, the evolved one last.
        accuracy: mean accuracy in percent of each group, ``(losses, groups)``.
        nll: negative log-likelihood, ``(losses, tasks)``.
        scaled_nll: at the best temperature, likewise.
        temperature: that temperature, likewise.
        rates: learning rates of a task, the best of which counts for each loss.
    """

    names: tuple[str, ...]
    accuracy: Tensor
    nll: Tensor
    scaled_nll: Tensor
    temperature: Tensor
    rates: int

    @property
    def n_groups(self) -> int:
        """Groups of tasks, which are what is independent."""
        return self.accuracy.shape[1]

    @property
    def n_tasks(self) -> int:
        """Tasks of all groups."""
        return self.nll.shape[1]


def fresh_spec(prior: Prior, group: int, rates: int) -> TaskGroupSpec:
    """A group of fresh tasks; every second one is long."""
    return TaskGroupSpec(prior, _SEED, ("fresh",), group, VERDICT_TASKS, long=group % 2 == 1, rates=rates)


def measure_fresh(
    name: str,
    loss: EvolvedLoss,
    prior: Prior,
    rates: int,
    *,
    deadline: float,
    runs: Recorded,
    on_groups: Callable[[int, int], None],
) -> FreshTasks:
    """Measure a loss and its rivals on as many groups of fresh tasks as there is time for.

    What the record has is taken from it. Whether there is time for more is asked of the times in the record
    alone, so that a judging that was stopped and goes on has the groups of one that was not.

    Args:
        name: of the loss.
        loss: that was evolved.
        prior: of the tasks.
        rates: learning rates of a task.
        deadline: seconds of the run at which it should be done; ``FEWEST_VERDICT`` groups are measured in any
            case.
        runs: where students are trained.
        on_groups: called with the groups done and the most there will be.
    """
    results: list[GroupResult] = []
    network, params = loss.network, loss.params.detach().flatten()
    began = runs.seconds
    while (first := len(results)) < MOST_VERDICT:
        # Pairs of a short and a long group, so that both have the same weight.
        most = MOST_VERDICT if first >= FEWEST_VERDICT else FEWEST_VERDICT
        count = min(2 * runs.workers, most - first)
        may_stop = first >= FEWEST_VERDICT and first % 2 == 0
        if may_stop and not runs.is_known(Key.of("fresh", first, params)):
            a_group = (runs.seconds - began) / first
            if runs.seconds + _MARGIN * count * a_group > deadline:
                break
        specs = [fresh_spec(prior, first + place, rates) for place in range(count)]
        for future in [runs.submit(judge_group, spec, network, params) for spec in specs]:
            results.append(future.result())
            on_groups(len(results), MOST_VERDICT)
    return gather_fresh((*RIVALS, name), results, rates)


def gather_fresh(names: Sequence[str], results: Sequence[GroupResult], rates: int) -> FreshTasks:
    """Put groups together."""
    nll, scaled_nll, temperature = (
        torch.cat([getattr(result, name).double() for result in results], dim=1)
        for name in ("nll", "scaled_nll", "temperature")
    )
    accuracy = torch.stack([result.accuracy.double().mean(dim=1) for result in results], dim=1)
    return FreshTasks(tuple(names), accuracy, nll, scaled_nll, temperature, rates)
