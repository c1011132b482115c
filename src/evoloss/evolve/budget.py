"""The budget: how large a search it has room for, and how much of it the judging takes.

How long a generation takes depends on the machine and on the regime. So a few small groups of tasks are
trained first and their time is taken; the largest scale is chosen that has room for enough generations.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from evoloss.errors import ConfigError
from evoloss.evolve.ranges import time_text
from evoloss.fitness import TaskGroupSpec, score_group
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.components import make_network
from evoloss.pretraining.evaluation.held_out_tasks import TASKS
from evoloss.pretraining.start import start_point

SCALES: tuple[Mapping[str, Any], ...] = tuple(
    dict(zip(("groups", "tasks", "popsize", "eval_groups", "elites"), numbers, strict=True))
    for numbers in (
        (32, 4, 32, 16, 5),
        (16, 4, 24, 16, 4),
        (8, 4, 24, 12, 4),
        (8, 2, 16, 8, 3),
        (4, 2, 12, 4, 2),
        (2, 2, 8, 2, 1),
        (2, 1, 6, 2, 1),
    )
)
"""Sizes of a search, the largest first."""
WANTED = 30  # generations that a scale should have room for
VERDICT_TASKS = 4
"""Tasks of a group of the verdict."""
FEWEST_VERDICT, WANTED_VERDICT, MOST_VERDICT = 6, 16, 48
"""Groups of fresh tasks that the verdict is measured on: where there is hardly time, as planned, and where
there is time left. An interval needs three groups of a kind."""
_SAFETY = 1.2  # the judging may take longer than it is expected to
_LARGEST_JUDGING = 0.4  # share of the budget, as planned
_MOST_JUDGING = 0.5  # where the machine turns out slower; beyond it fewer groups are judged
_PROBED, _PROBE_TASKS, _PROBE_CANDIDATES = 2, 2, 7


@dataclass(frozen=True)
class Pace:
    """Seconds that one student takes on one task, in short and in long groups."""

    short: float
    long: float

    @property
    def mean(self) -> float:
        """Of groups half of which are long."""
        return (self.short + self.long) / 2

    def generation(self, config: PretrainConfig) -> float:
        """Seconds of a generation, its share of the looks at held-out tasks included."""
        share, candidates = config.task_prior.long, config.popsize + 1
        promoted = config.promote if 0 < share < 1 else 1.0
        work = candidates * config.groups * config.tasks
        looks = 2 * config.eval_groups * TASKS * self.mean / config.eval_every
        return work * ((1 - share) * self.short + share * promoted * self.long) + looks

    def choosing(self, config: PretrainConfig, looks: int | None = None) -> float:
        """Seconds that it takes to choose among the elites and to report on the best.

        Args:
            config: of the search.
            looks: at held-out tasks, each of which may have left an elite; None for many.
        """
        elites = config.elites if looks is None else min(looks, config.elites)
        students = 2 + (elites + 1 if elites > 1 else 0)  # with those of cross-entropy
        stretched = max(2, config.eval_groups // 4) * config.task_prior.stretch
        return students * TASKS * (config.eval_groups + stretched) * self.mean

    def verdict(self, n_losses: int, groups: int | None = None) -> float:
        """Seconds that a verdict on so many losses takes, on as many groups as are planned if it is None."""
        return n_losses * VERDICT_TASKS * (WANTED_VERDICT if groups is None else groups) * self.mean


def measure_pace(config: PretrainConfig) -> Pace:
    """Train students with the start of a search on a few small groups, and take the time.

    Time of the processor, where that is less: how busy the machine is just now says little of the next ten
    minutes, and a search that turns out slower keeps more time for its judging.
    """
    network = make_network(config)
    params = start_point(config, network)[None].expand(_PROBE_CANDIDATES, -1)
    students = (_PROBE_CANDIDATES + 1) * _PROBE_TASKS * _PROBED
    seconds = []
    for long in (False, True):
        began, worked = time.monotonic(), time.process_time()
        for group in range(_PROBED):
            labels = ("pace", int(long))
            spec = TaskGroupSpec(
                config.task_prior, 0, labels, group, _PROBE_TASKS, long=long, rates=config.rates
            )
            score_group(spec, network, params)
        seconds.append(min(time.monotonic() - began, time.process_time() - worked) / students)
    return Pace(*seconds)


@dataclass(frozen=True)
class Plan:
    """A search that fits into a budget.

    Attributes:
        config: of the search; its generations end with their share of the budget.
        generation: seconds that a generation is expected to take.
        judging: seconds that are kept for choosing, reporting and the verdict.
        pace: of students; 0 where nothing is left to be planned.
        n_losses: losses that the verdict compares.
        workers: students are trained in so many processes.
    """

    config: PretrainConfig
    generation: float
    judging: float
    pace: Pace = Pace(0.0, 0.0)
    n_losses: int = 0
    workers: int = 1

    def reserve(self, looks: int, slower: float, budget: float) -> float:
        """Seconds to keep for choosing, reporting and the verdict.

        Where that is more than half of the budget, time for fewer groups of fresh tasks is kept; choosing has
        what it needs in any case, since it decides what the loss is.

        Args:
            looks: at held-out tasks so far.
            slower: the factor by which the machine is slower than it was when it was timed.
            budget: seconds of the whole.

        Example:
            >>> config = PretrainConfig(fitness="learnability")
            >>> plan = plan_search(config, 600, Pace(0.001, 0.004), n_losses=9)
            >>> [round(plan.reserve(9, slower, 600)) for slower in (1, 10, 30)]
            [12, 125, 300]
        """
        factor = _SAFETY * slower / self.workers
        choosing = factor * self.pace.choosing(self.config, looks)
        fewest, wanted = (
            factor * self.pace.verdict(self.n_losses, groups) for groups in (FEWEST_VERDICT, WANTED_VERDICT)
        )
        return choosing + max(fewest, min(wanted, _MOST_JUDGING * budget - choosing))


def plan_search(
    config: PretrainConfig,
    seconds: float,
    pace: Pace,
    n_losses: int,
    workers: int = 1,
    finishing: float = 0.0,
) -> Plan:
    """Choose the largest scale that has room for enough generations.

    Args:
        config: of the search; groups, tasks, population and elites are chosen here.
        seconds: of the whole budget.
        pace: of students.
        n_losses: losses that the verdict compares.
        workers: students are trained in so many processes.
        finishing: seconds that files and figures take at the end.

    Raises:
        ConfigError: if the budget is too short for a generation and the judging of the smallest scale, and
            for what follows.

    Example:
        >>> plan = plan_search(PretrainConfig(fitness="learnability"), 600, Pace(0.001, 0.004), n_losses=9)
        >>> plan.config.groups, plan.config.popsize
        (32, 32)
    """
    for scale in SCALES:
        sized = replace(config, **scale)
        generation = pace.generation(sized) / workers
        judging = _SAFETY * (pace.choosing(sized) + pace.verdict(n_losses)) / workers
        if judging <= _LARGEST_JUDGING * seconds and WANTED * generation + judging + finishing <= seconds:
            return Plan(sized, generation, judging, pace, n_losses, workers)
    needed = generation + judging + finishing
    if needed > seconds:
        raise ConfigError(
            f"a budget of {time_text(seconds)} is too short for these tasks on this machine: one generation, "
            f"the judging and the files take about {time_text(needed)}; give --budget "
            f"{max(1, round(needed * 2))}s or more, or fewer samples or classes"
        )
    return Plan(sized, generation, judging, pace, n_losses, workers)
