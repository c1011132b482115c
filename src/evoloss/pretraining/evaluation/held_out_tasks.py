"""Held-out synthetic tasks: what the search is stopped by, and what its result is reported on.

Three sets that no generation trains on, the same for every run with the same prior: one for the means of the
search along the way, one to choose among the best of those, one to report. The last two also hold tasks that
are trained several times longer than those of the search (``stretch`` of the prior), since a loss may win
early and lose late.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from evoloss.fitness import (
    Submits,
    TaskGroupSpec,
    clean_penalty,
    robust_mean,
    score_groups,
    task_scores,
)
from evoloss.networks import LossNetwork
from evoloss.pretraining.config import PretrainConfig

_HELD_OUT_SEED = 20_260_504
TASKS = 8
"""Of a group."""

Purpose = Literal["stop", "choose", "report"]


def held_out_specs(config: PretrainConfig, purpose: Purpose) -> list[TaskGroupSpec]:
    """The groups of tasks of a set: every second one long, and for two of the sets some trained longer."""
    prior = config.task_prior
    specs = [
        TaskGroupSpec(
            prior, _HELD_OUT_SEED, (purpose,), group, TASKS, long=group % 2 == 1, rates=config.rates
        )
        for group in range(config.eval_groups)
    ]
    if purpose == "stop":
        return specs
    stretched = range(config.eval_groups, config.eval_groups + max(2, config.eval_groups // 4))
    return specs + [
        TaskGroupSpec(
            prior,
            _HELD_OUT_SEED,
            (purpose,),
            group,
            TASKS,
            long=group % 2 == 1,
            stretch=prior.stretch,
            rates=config.rates,
        )
        for group in stretched
    ]


@dataclass(frozen=True)
class HeldOutAdvantage:
    """A loss against cross-entropy on held-out tasks.

    Attributes:
        score: what losses are chosen by: accuracy and calibrated likelihood, mean and worst tasks, and what
            is lost for a price on clean ones; larger is better, cross-entropy has 0.
        short: accuracy less cross-entropy's on short tasks, in points, by task.
        long: likewise on long tasks.
        stretched: likewise on tasks trained ``stretch`` times longer.
        nll: calibrated negative log-likelihood less cross-entropy's, all tasks.
        groups: the mean difference in accuracy of each group of tasks, which share a shape, in points.
    """

    score: float
    short: list[float]
    long: list[float]
    stretched: list[float]
    nll: list[float]
    groups: list[float]

    @property
    def accuracy(self) -> float:
        """Mean difference in accuracy over all tasks, in points."""
        every = self.short + self.long + self.stretched
        return sum(every) / len(every)

    @property
    def error(self) -> float:
        """Standard error of that mean, in points; groups are what is independent, not the tasks in them."""
        return statistics.stdev(self.groups) / math.sqrt(len(self.groups))


def evaluate_held_out(
    config: PretrainConfig,
    network: LossNetwork,
    params: Tensor,
    purpose: Purpose,
    executor: Submits | None = None,
) -> list[HeldOutAdvantage]:
    """Evaluate losses ``(n, n_params)`` that have a canonical form on a held-out set."""
    specs = held_out_specs(config, purpose)
    results = score_groups(network, params, specs, executor)
    scores = [task_scores("points", config.nll_weight, result) for result in results]
    penalty = clean_penalty(config.learnability, results)
    advantages = []
    for row in range(len(params)):
        by_kind: dict[str, list[float]] = {"short": [], "long": [], "stretched": []}
        nll: list[float] = []
        groups: list[float] = []
        for spec, result in zip(specs, results, strict=True):
            longer = spec.group >= config.eval_groups
            kind = "stretched" if longer else "long" if spec.long else "short"
            gains = result.accuracy[-1, 1 + row] - result.accuracy[-1, 0]
            by_kind[kind] += gains.tolist()
            groups.append(float(gains.mean()))
            nll += (result.nll[-1, 1 + row] - result.nll[-1, 0]).tolist()
        own = [robust_mean(group[row : row + 1], config.worst_weight) for group in scores]
        score = float(sum(float(mean) for mean in own) / len(own)) - float(penalty[row])
        advantages.append(HeldOutAdvantage(score, nll=nll, groups=groups, **by_kind))
    return advantages
