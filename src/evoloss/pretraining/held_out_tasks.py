"""Held-out synthetic tasks: what the search is stopped by, and what its result is reported on.

Three sets that no generation trains on, the same for every run with the same prior: one for the means of the
search along the way, one to choose among the best of those, one to report. The last two also hold tasks that
are trained ten times longer than those of the search, since a loss may win early and lose late.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from evoloss.fitness import Submits, Unit, robust_mean, run_units, task_scores
from evoloss.networks import LossNetwork
from evoloss.pretraining.config import PretrainConfig

_HELD_OUT_SEED = 20_260_504
TASKS = 8
"""Of a group."""
STRETCH = 10.0

Purpose = Literal["stop", "choose", "report"]


def held_out_units(config: PretrainConfig, purpose: Purpose) -> list[Unit]:
    """The groups of tasks of a set: every second one long, and for two of the sets some trained longer."""
    prior = config.task_prior
    units = [
        Unit(prior, _HELD_OUT_SEED, (purpose,), group, TASKS, long=group % 2 == 1, rates=config.rates)
        for group in range(config.eval_groups)
    ]
    if purpose == "stop":
        return units
    stretched = range(config.eval_groups, config.eval_groups + max(2, config.eval_groups // 4))
    return units + [
        Unit(
            prior,
            _HELD_OUT_SEED,
            (purpose,),
            group,
            TASKS,
            long=group % 2 == 1,
            stretch=STRETCH,
            rates=config.rates,
        )
        for group in stretched
    ]


@dataclass(frozen=True)
class HeldOutAdvantage:
    """A loss against cross-entropy on held-out tasks.

    Attributes:
        score: what losses are chosen by: accuracy and calibrated likelihood, mean and worst tasks, larger is
            better, cross-entropy has 0.
        short: accuracy less cross-entropy's on short tasks, in points, by task.
        long: likewise on long tasks.
        stretched: likewise on tasks trained ten times longer.
        nll: calibrated negative log-likelihood less cross-entropy's, all tasks.
    """

    score: float
    short: list[float]
    long: list[float]
    stretched: list[float]
    nll: list[float]

    @property
    def accuracy(self) -> float:
        """Mean difference in accuracy over all tasks, in points."""
        every = self.short + self.long + self.stretched
        return sum(every) / len(every)


def judge_held_out(
    config: PretrainConfig,
    network: LossNetwork,
    params: Tensor,
    purpose: Purpose,
    executor: Submits | None = None,
) -> list[HeldOutAdvantage]:
    """Judge losses ``(n, n_params)`` that have a canonical form on a held-out set."""
    units = held_out_units(config, purpose)
    parts = run_units(network, params, units, executor)
    scores = [task_scores("points", config.nll_weight, part) for part in parts]
    judged = []
    for row in range(len(params)):
        by_kind: dict[str, list[float]] = {"short": [], "long": [], "stretched": []}
        nll: list[float] = []
        for unit, part in zip(units, parts, strict=True):
            kind = "stretched" if unit.stretch > 1 else "long" if unit.long else "short"
            by_kind[kind] += (part.accuracy[-1, 1 + row] - part.accuracy[-1, 0]).tolist()
            nll += (part.nll[-1, 1 + row] - part.nll[-1, 0]).tolist()
        own = [robust_mean(each[row : row + 1], config.worst_weight) for each in scores]
        score = float(sum(float(each) for each in own) / len(own))
        judged.append(HeldOutAdvantage(score, nll=nll, **by_kind))
    return judged
