"""``evoloss evolve`` on tiny tasks, with a double of the time that counts work.

    python -m benchmarks.robustness.evolving.small_evolve evolve --for noise --budget 60s --out DIR

How many generations fit into a budget, and how many fresh tasks, is a matter of the clock. Here a second is
so many students that were trained, however long they took, so that a run ends with the same files whether it
was stopped or not. Without ``--executor``: students in other processes do not move this clock.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

import evoloss.evolve.budget
import evoloss.evolve.fresh
import evoloss.evolve.generations
import evoloss.evolve.progress
import evoloss.fitness.group_scores
import evoloss.pretraining.loop
from evoloss import cli
from evoloss.fitness import TaskGroupSpec
from evoloss.tasks import PRIORS, Prior

SCALE = {"groups": 2, "tasks": 2, "popsize": 6, "eval_groups": 2, "elites": 2}
"""Of the search."""
_A_STUDENT = 0.01  # seconds, on a task
_CLOCKED = (
    evoloss.evolve.progress,
    evoloss.evolve.generations,
    evoloss.evolve.budget,
    evoloss.pretraining.loop,
)
"""Modules that look at the clock."""


@dataclass
class WorkClock:
    """A clock that moves when students are trained.

    Attributes:
        now: seconds.
        factor: of the seconds that a student takes; larger on a machine that does other things too.
        worked: calls, in their order: the first label of each group of tasks, and its number.
        before: called before each, with the label and the number.
    """

    now: float = 0.0
    factor: float = 1.0
    worked: list[tuple[str, int]] | None = None
    before: Callable[[str, int], None] = lambda label, group: None

    def __post_init__(self) -> None:
        self.worked = []

    def monotonic(self) -> float:
        """The time."""
        return self.now

    process_time = monotonic

    def counted(self, function: Callable[..., Any], losses: int | None = None) -> Callable[..., Any]:
        """A function that trains students on a group of tasks, and moves the clock.

        Args:
            function: as in the package.
            losses: that it trains students with, if that is not said by the parameters.
        """

        def call(spec: TaskGroupSpec, network: Any, params: Tensor) -> Any:
            label = str(spec.labels[0])
            self.before(label, spec.group)
            found = function(spec, network, params)
            students = losses or len(params) + 1
            self.now += self.factor * _A_STUDENT * students * spec.tasks * spec.stretch
            assert self.worked is not None
            self.worked.append((label, spec.group))
            return found

        return call


def small_prior(prior: Prior) -> Prior:
    """A prior of tiny tasks."""
    return replace(
        prior,
        samples=(20, 30),
        long_samples=(20, 30),
        features=(4, 6),
        patches=(2, 3),
        steps=(4, 6),
        long_steps=(6, 8),
        epochs=None if prior.epochs is None else (2, 3),
        long_epochs=None if prior.long_epochs is None else (2, 3),
        width=(4, 6),
        long_width=None,
        depth=(1, 1),
        long_depth=None,
        batch=(8, 8),
        long_batch=None,
        stretch=2.0,
        test_samples=60,
    )


@contextmanager
def small_and_counted(clock: WorkClock) -> Iterator[None]:
    """Make tasks and searches tiny, and the clock one that counts work, until the end of the context."""
    n_losses = len(evoloss.evolve.fresh.RIVALS) + 1
    changes: list[tuple[Any, str, Any]] = [(module, "time", clock) for module in _CLOCKED]
    for module, name, losses in (
        (evoloss.evolve.fresh, "judge_group", n_losses),
        (evoloss.fitness.group_scores, "score_group", None),
        (evoloss.evolve.budget, "score_group", None),
    ):
        changes.append((module, name, clock.counted(getattr(module, name), losses)))
    changes.append((evoloss.evolve.budget, "SCALES", (SCALE,)))
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    priors = dict(PRIORS)
    try:
        for module, name, value in changes:
            setattr(module, name, value)
        PRIORS.update({name: small_prior(prior) for name, prior in priors.items()})
        yield
    finally:
        PRIORS.update(priors)
        for module, name, value in before:
            setattr(module, name, value)


def main() -> int:
    """Run the command line."""
    torch.set_num_threads(1)
    with small_and_counted(WorkClock()):
        return cli.main()


if __name__ == "__main__":
    sys.exit(main())
