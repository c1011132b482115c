r"""Learnability: how well students generalise that were trained with a candidate on random synthetic tasks.

A generation has a few groups of tasks (:mod:`evoloss.tasks.groups`), short and long ones; all
candidates train the same students on the same tasks from the same start with the same batches, and
cross-entropy beside them. A candidate's score on a task is made of the students' test accuracy and calibrated
negative log-likelihood, along the way and at the end; scores are put together over tasks by a mean and the
mean of the candidate's worst tasks. Real data plays no part.

Work comes in units, a chunk of candidates on a group, that are functions of their arguments alone: anything
with ``submit`` can run them, in any order, for the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, get_args

import torch
from torch import Tensor

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.fitness.ranking import Evaluation, RankingFitness
from evoloss.fitness.trainability import trainable
from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.networks import LossNetwork
from evoloss.random_streams import stream
from evoloss.students.slope_tables import join_tables, tabulate_functions, tabulate_network
from evoloss.students.students import Students
from evoloss.tasks.groups import draw_group
from evoloss.tasks.prior import Prior

Scoring = Literal["rank", "points"]
CHUNK = 16  # candidates of a unit
_REFERENCE = CrossEntropyLoss()
_LARGEST_POINTS = 20.0  # a difference in accuracy beyond it counts as much as this
_END, _ALONG = 2 / 3, 1 / 3  # weights of the last evaluation and of those before it


class Submits(Protocol):
    """Anything that runs a function elsewhere, such as an executor of :mod:`concurrent.futures`."""

    def submit(self, function: Any, /, *args: Any) -> Future[Any]:
        """Run ``function(*args)``."""
        ...


@dataclass(frozen=True, kw_only=True)
class LearnabilityConfig:
    """How learnability is measured.

    Attributes:
        groups: groups of tasks a generation.
        tasks: tasks a group.
        rates: learning rates that every task is trained at; a loss is judged at the best of them, as losses
            are compared in use. With 1 a loss that needs another rate than cross-entropy looks worse than it
            is.
        scoring: ``"rank"``: the rank of a candidate among all on each task, so that every task counts alike;
            ``"points"``: the difference to cross-entropy in points of accuracy (cut at 20), so that tasks
            count by what is at stake.
        nll_weight: weight of the calibrated negative log-likelihood beside accuracy, from 0 to 1.
        worst_weight: weight of the mean over a candidate's worst third of tasks beside that over all, 0 to 1.
        promote: share of the candidates, the best ones on the short groups, that the long groups are trained
            with; the others rank behind them. 1 trains all.
        ranking_floor: ranking consistency that a candidate should have, from 0 to 1.
        ranking_weight: fitness that a candidate loses for each unit of consistency below the floor.

    Raises:
        ConfigError: if a value is out of range.
        UnknownNameError: if the scoring is not known.
    """

    groups: int = 3
    tasks: int = 4
    rates: int = 1
    scoring: Scoring = "rank"
    nll_weight: float = 0.2
    worst_weight: float = 0.2
    promote: float = 1.0
    ranking_floor: float = 0.9
    ranking_weight: float = 10.0

    def __post_init__(self) -> None:
        if self.scoring not in get_args(Scoring):
            raise UnknownNameError.among("scoring", self.scoring, get_args(Scoring))
        for name in ("groups", "tasks", "rates"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("nll_weight", "worst_weight", "ranking_floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must be from 0 to 1, got {getattr(self, name)}")
        if not 0 < self.promote <= 1:
            raise ConfigError(f"promote must be above 0 and at most 1, got {self.promote}")
        if not 0 <= self.ranking_weight < math.inf:
            raise ConfigError(f"ranking_weight must be at least 0 and finite, got {self.ranking_weight}")


@dataclass(frozen=True)
class Unit:
    """Which group of tasks: a function of the seed, the labels of its stream and its number.

    Attributes:
        prior: the distribution of tasks.
        seed: of the run.
        labels: name the stream, with the number of the group behind them.
        group: the number.
        tasks: tasks of the group.
        long: whether it is long; None draws it.
        stretch: factor of the training steps.
        rates: learning rates that every task is trained at.
    """

    prior: Prior
    seed: int
    labels: tuple[str | int, ...]
    group: int
    tasks: int
    long: bool | None = None
    stretch: float = 1.0
    rates: int = 1


class UnitScores(NamedTuple):
    """Students of cross-entropy (first) and of the candidates, by evaluation, candidate and task.

    Attributes:
        accuracy: in percent; chance where a student diverged, ``(evaluations, 1 + candidates, tasks)``.
        nll: calibrated; that of a uniform prediction where a student diverged, likewise.
    """

    accuracy: Tensor
    nll: Tensor


def score_unit(unit: Unit, network: LossNetwork, params: Tensor) -> UnitScores:
    """Train the students of cross-entropy and of candidates ``(n, n_params)`` on one group."""
    generator = stream(unit.seed, *unit.labels, unit.group)
    group = draw_group(
        unit.prior, unit.tasks, generator, long=unit.long, stretch=unit.stretch, rates=unit.rates
    )
    n_classes = group.tasks.n_classes
    like = params.float()
    reference = tabulate_functions([_REFERENCE.slopes(n_classes)], n_classes, like=like)
    tables = join_tables([reference, tabulate_network(network, like, n_classes)])
    scores = Students(group.config, group.tasks, group.plan).train(tables)
    accuracy = 100 * scores.test_accuracy.nan_to_num(nan=1 / n_classes)
    return _at_best_rate(
        UnitScores(accuracy, scores.test_scaled_nll.nan_to_num(nan=math.log(n_classes))), unit.rates
    )


def _at_best_rate(scores: UnitScores, rates: int) -> UnitScores:
    """Each loss on each task at the rate with its best accuracy at the end, then its best likelihood."""
    if rates == 1:
        return scores
    by_rate = [each.reshape(*each.shape[:2], -1, rates) for each in scores]
    # A hundredth of a point for a nat: accuracies are multiples of more than that.
    best = (by_rate[0][-1] - 0.01 * by_rate[1][-1]).argmax(dim=2)
    index = best[None, :, :, None].expand(by_rate[0].shape[0], -1, -1, 1)
    return UnitScores(*(each.gather(3, index).squeeze(3) for each in by_rate))


class Learnability(NamedTuple):
    """What a generation's tasks say of candidates.

    Attributes:
        fitness: minimised; infinite for candidates that the filters reject, ``(popsize,)``.
        advantage: accuracy at the end less cross-entropy's, in points, mean over the tasks a candidate was
            trained on; NaN for rejected candidates, ``(popsize,)``.
    """

    fitness: Tensor
    advantage: Tensor


def measure_learnability(
    config: LearnabilityConfig,
    network: LossNetwork,
    params: Tensor,
    units: Sequence[Unit],
    executor: Submits | None = None,
) -> Learnability:
    """Judge candidates ``(popsize, n_params)`` on the groups that ``units`` name.

    Units whose ``long`` is True come second: where ``config.promote`` is below 1 only the best candidates on
    the others are trained on them.
    """
    usable = trainable(network, params.double()).nonzero().squeeze(1)
    fitness = torch.full((len(params),), torch.inf, dtype=torch.float64)
    advantage = torch.full_like(fitness, torch.nan)
    if not len(usable):
        return Learnability(fitness, advantage)
    short, long = ([u for u in units if bool(u.long) is which] for which in (False, True))
    if config.promote == 1 or not short or not long:
        fitness[usable], advantage[usable] = _judge(config, network, params[usable], units, executor)
        return Learnability(fitness, advantage)
    fitness[usable], advantage[usable] = _judge(config, network, params[usable], short, executor)
    kept = max(2, round(config.promote * len(usable)))
    best = usable[fitness[usable].argsort(stable=True)[:kept]]
    far, gained = _judge(config, network, params[best], long, executor)
    share = len(long) / len(units)
    behind = float(fitness[usable].max() - fitness[usable].min()) + float(far.max() - far.min()) + 1.0
    first = fitness[best]
    fitness[usable] += behind
    fitness[best] = (1 - share) * first + share * far
    advantage[best] = (1 - share) * advantage[best] + share * gained
    return Learnability(fitness, advantage)


def run_units(
    network: LossNetwork, params: Tensor, units: Sequence[Unit], executor: Submits | None = None
) -> list[UnitScores]:
    """The scores of each unit, with its chunks of candidates put together."""
    chunks = torch.split(params, CHUNK)
    if executor is None:
        done = [[score_unit(unit, network, chunk) for chunk in chunks] for unit in units]
    else:
        waiting = [[executor.submit(score_unit, unit, network, chunk) for chunk in chunks] for unit in units]
        done = [[future.result() for future in row] for row in waiting]
    return [
        UnitScores(*(torch.cat([part[0], *(each[:, 1:] for each in part[1:])], dim=1) for part in parts))
        for parts in (zip(*row, strict=True) for row in done)
    ]


def _judge(
    config: LearnabilityConfig,
    network: LossNetwork,
    params: Tensor,
    units: Sequence[Unit],
    executor: Submits | None,
) -> tuple[Tensor, Tensor]:
    """Fitness and advantage of candidates that are all usable."""
    parts = run_units(network, params, units, executor)
    scores = torch.cat([task_scores(config.scoring, config.nll_weight, part) for part in parts], dim=1)
    ends = torch.cat([part.accuracy[-1, 1:] - part.accuracy[-1, :1] for part in parts], dim=1)
    return -robust_mean(scores, config.worst_weight).double(), ends.double().mean(dim=1)


def robust_mean(scores: Tensor, worst_weight: float) -> Tensor:
    """Mean over tasks ``(popsize, tasks)``, and with ``worst_weight`` that over the worst third instead."""
    few = max(1, math.ceil(scores.shape[1] / 3))
    worst = scores.topk(few, dim=1, largest=False).values.mean(dim=1)
    return (1 - worst_weight) * scores.mean(dim=1) + worst_weight * worst


def task_scores(scoring: Scoring, nll_weight: float, part: UnitScores) -> Tensor:
    """Scores ``(candidates, tasks)``, larger is better; see :class:`LearnabilityConfig`.

    With ``"points"`` a score is in units of five points of accuracy or a quarter of a nat.
    """
    accuracy, nll = part.accuracy.double(), part.nll.double()
    if scoring == "rank":
        good, sharp = _ranks(accuracy[:, 1:]), _ranks(-nll[:, 1:])
    else:
        good = (accuracy[:, 1:] - accuracy[:, :1]).clamp(-_LARGEST_POINTS, _LARGEST_POINTS) / 5
        sharp = (nll[:, :1] - nll[:, 1:]).clamp(-1, 1) * 4
    both = (1 - nll_weight) * good + nll_weight * sharp
    if len(both) == 1:
        return both[0]
    return _END * both[-1] + _ALONG * both[:-1].mean(dim=0)


def _ranks(values: Tensor) -> Tensor:
    """Ranks along axis 1 from -1/2 to 1/2, ties sharing the mean of theirs."""
    below = (values[:, :, None] > values[:, None]).sum(dim=2, dtype=torch.float32)
    ties = (values[:, :, None] == values[:, None]).sum(dim=2, dtype=torch.float32)
    return (below + (ties - 1) / 2) / max(1, values.shape[1] - 1) - 0.5


class LearnabilityFitness:
    """Learnability of one generation, with ranking consistency as a constraint.

    Args:
        config: how it is measured.
        network: what is evolved.
        units: the groups of tasks.
        ranking: of the same generation.
        executor: where units run; here if it is None.
    """

    def __init__(
        self,
        config: LearnabilityConfig,
        network: LossNetwork,
        units: Sequence[Unit],
        ranking: RankingFitness,
        executor: Submits | None = None,
    ) -> None:
        self.config, self.network, self.units = config, network, units
        self.ranking, self.executor = ranking, executor

    def evaluate(self, params: Tensor) -> Evaluation:
        """Judge candidates ``(popsize, n_params)``."""
        ranked = self.ranking.evaluate(params)
        learned = measure_learnability(self.config, self.network, params, self.units, self.executor)
        missing = (self.config.ranking_floor - ranked.consistency.double()).clamp(min=0)
        fitness = learned.fitness + self.config.ranking_weight * missing
        fitness = torch.where(fitness.isnan(), torch.inf, fitness)
        accepted = fitness.isfinite()
        consistency = torch.where(accepted, ranked.consistency, torch.nan)
        return Evaluation(fitness, consistency, int((~accepted).sum()), learned.advantage)
