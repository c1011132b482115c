r"""Learnability: how well students generalise that were trained with a candidate on random synthetic tasks.

A generation has a few groups of tasks (:mod:`evoloss.tasks.groups`), short and long ones; all
candidates train the same students on the same tasks from the same start with the same batches, and
cross-entropy beside them. A candidate's score on a task is made of the students' test accuracy and calibrated
negative log-likelihood, along the way and at the end; scores are put together over tasks by a mean and the
mean of the candidate's worst tasks. Real data plays no part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.fitness.group_scores import GroupScores, Submits, TaskGroupSpec, score_groups
from evoloss.fitness.ranking import Evaluation, RankingFitness
from evoloss.fitness.trainability import trainable
from evoloss.networks import LossNetwork

Scoring = Literal["rank", "points"]
LARGEST_POINTS = 20.0  # a difference in accuracy beyond it counts as much as this
_END, _ALONG = 2 / 3, 1 / 3  # weights of the last evaluation and of those before it


@dataclass(frozen=True, kw_only=True)
class LearnabilityConfig:
    """Settings by which learnability is measured.

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
        clean_weight: fitness that a candidate loses for each point of its :func:`clean_price` above
            ``clean_tolerance``. What a loss may cost where labels are right is a constraint then, which no
            gain elsewhere buys off if the weight is large; 0 for none.
        clean_tolerance: points that are not counted, about what chance makes of equal losses.
        promote: share of the candidates, the best ones on the short groups, that the long groups are trained
            with; the others rank behind them. 1 trains all.
        ranking_floor: ranking consistency that a candidate should have, from 0 to 1.
        ranking_weight: fitness that a candidate loses for each unit of consistency below the floor.

    Raises:
        ConfigError: if a value is out of range.
        UnknownNameError: if the scoring is not known.

    Example:
        >>> LearnabilityConfig(groups=8, scoring="points", worst_weight=0.5).tasks
        4
    """

    groups: int = 3
    tasks: int = 4
    rates: int = 1
    scoring: Scoring = "rank"
    nll_weight: float = 0.2
    worst_weight: float = 0.2
    clean_weight: float = 0.0
    clean_tolerance: float = 0.5
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
        for name in ("ranking_weight", "clean_weight", "clean_tolerance"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be at least 0 and finite, got {getattr(self, name)}")


class Learnability(NamedTuple):
    """Learnability of candidates on the tasks of a generation.

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
    specs: Sequence[TaskGroupSpec],
    executor: Submits | None = None,
) -> Learnability:
    """Evaluate candidates ``(popsize, n_params)`` on the groups that ``specs`` describe.

    Groups whose ``long`` is True come second: where ``config.promote`` is below 1 only the best candidates on
    the others are trained on them.

    Example:
        >>> from evoloss.networks import NETWORKS
        >>> from evoloss.tasks import Prior
        >>> network = NETWORKS["mixture"]()
        >>> specs = [TaskGroupSpec(Prior(samples=(60, 60)), 0, ("mine",), group=0, tasks=2, long=False)]
        >>> params = torch.zeros(2, network.n_params)
        >>> measure_learnability(LearnabilityConfig(), network, params, specs).advantage.shape
        torch.Size([2])
    """
    usable = trainable(network, params.double()).nonzero().squeeze(1)
    fitness = torch.full((len(params),), torch.inf, dtype=torch.float64)
    advantage = torch.full_like(fitness, torch.nan)
    if not len(usable):
        return Learnability(fitness, advantage)
    short, long = ([spec for spec in specs if bool(spec.long) is length] for length in (False, True))
    if config.promote == 1 or not short or not long:
        fitness[usable], advantage[usable] = _evaluate(config, network, params[usable], specs, executor)
        return Learnability(fitness, advantage)
    fitness[usable], advantage[usable] = _evaluate(config, network, params[usable], short, executor)
    n_promoted = max(2, round(config.promote * len(usable)))
    best = usable[fitness[usable].argsort(stable=True)[:n_promoted]]
    far, gained = _evaluate(config, network, params[best], long, executor)
    share = len(long) / len(specs)
    behind = float(fitness[usable].max() - fitness[usable].min()) + float(far.max() - far.min()) + 1.0
    first = fitness[best]
    fitness[usable] += behind
    fitness[best] = (1 - share) * first + share * far
    advantage[best] = (1 - share) * advantage[best] + share * gained
    return Learnability(fitness, advantage)


def _evaluate(
    config: LearnabilityConfig,
    network: LossNetwork,
    params: Tensor,
    specs: Sequence[TaskGroupSpec],
    executor: Submits | None,
) -> tuple[Tensor, Tensor]:
    """Fitness and advantage of candidates that are all usable."""
    results = score_groups(network, params, specs, executor)
    scores = torch.cat([task_scores(config.scoring, config.nll_weight, group) for group in results], dim=1)
    ends = torch.cat([group.accuracy[-1, 1:] - group.accuracy[-1, :1] for group in results], dim=1)
    fitness = clean_penalty(config, results) - robust_mean(scores, config.worst_weight).double()
    return fitness, ends.double().mean(dim=1)


def clean_penalty(config: LearnabilityConfig, results: Sequence[GroupScores]) -> Tensor:
    """Fitness lost for the price on clean tasks, ``(candidates,)``, at least 0.

    Example:
        >>> accuracy = torch.tensor([[[90.0, 60.0], [88.0, 70.0]]])  # of cross-entropy and one candidate
        >>> scores = GroupScores(accuracy, torch.zeros(1, 2, 2), is_clean=torch.tensor([True, False]))
        >>> clean_penalty(LearnabilityConfig(clean_weight=1.0, clean_tolerance=0.5), [scores])
        tensor([1.5000], dtype=torch.float64)
    """
    above = clean_price(results) - config.clean_tolerance
    return config.clean_weight * above.clamp(min=0)


def clean_price(results: Sequence[GroupScores]) -> Tensor:
    """Points of accuracy below cross-entropy on clean tasks, of the worst group, ``(candidates,)``.

    Of every group the mean over its clean tasks counts, at the end of training; 0 where there are none, and
    negative for a candidate that gains in every group.

    Example:
        >>> accuracy = torch.tensor([[[90.0, 60.0], [88.0, 70.0]]])  # of cross-entropy and one candidate
        >>> clean_price([GroupScores(accuracy, torch.zeros(1, 2, 2), is_clean=torch.tensor([True, False]))])
        tensor([2.], dtype=torch.float64)
    """
    losses = [
        (scores.accuracy[-1, :1] - scores.accuracy[-1, 1:])[:, scores.is_clean].double().mean(dim=1)
        for scores in results
        if scores.is_clean.any()
    ]
    if not losses:
        return results[0].accuracy.new_zeros(results[0].accuracy.shape[1] - 1, dtype=torch.float64)
    return torch.stack(losses).amax(dim=0)


def robust_mean(scores: Tensor, worst_weight: float) -> Tensor:
    """Mean over tasks ``(popsize, tasks)``, and with ``worst_weight`` that over the worst third instead.

    Example:
        >>> robust_mean(torch.tensor([[3.0, 2.0, -2.0]]), worst_weight=0.5)
        tensor([-0.5000])
    """
    few = max(1, math.ceil(scores.shape[1] / 3))
    worst = scores.topk(few, dim=1, largest=False).values.mean(dim=1)
    return (1 - worst_weight) * scores.mean(dim=1) + worst_weight * worst


def task_scores(scoring: Scoring, nll_weight: float, group_scores: GroupScores) -> Tensor:
    """Scores ``(candidates, tasks)``, larger is better; see :class:`LearnabilityConfig`.

    With ``"points"`` a score is in units of five points of accuracy or a quarter of a nat.

    Example:
        >>> accuracy = torch.tensor([[[90.0, 60.0], [92.0, 55.0]]])  # of cross-entropy and one candidate
        >>> clean = torch.tensor([False, False])
        >>> scores = GroupScores(accuracy, nll=torch.zeros(1, 2, 2), is_clean=clean)
        >>> task_scores("points", 0.2, scores)
        tensor([[ 0.3200, -0.8000]], dtype=torch.float64)
    """
    accuracy, nll = group_scores.accuracy.double(), group_scores.nll.double()
    if scoring == "rank":
        good, sharp = _ranks(accuracy[:, 1:]), _ranks(-nll[:, 1:])
    else:
        good = (accuracy[:, 1:] - accuracy[:, :1]).clamp(-LARGEST_POINTS, LARGEST_POINTS) / 5
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
        specs: the groups of tasks.
        ranking: of the same generation.
        executor: where groups are evaluated; here if it is None.

    Example:
        >>> from evoloss.networks import NETWORKS
        >>> from evoloss.pairs import PairsConfig, sample_pairs
        >>> from evoloss.tasks import Prior
        >>> generator = torch.Generator().manual_seed(0)
        >>> network, ranking = NETWORKS["mixture"](), RankingConfig()
        >>> couples = make_couples(ranking, sample_pairs(PairsConfig(), 64, 10, generator), generator)
        >>> specs = [TaskGroupSpec(Prior(samples=(60, 60)), 0, ("mine",), group=0, tasks=2, long=False)]
        >>> fitness = LearnabilityFitness(
        ...     LearnabilityConfig(), network, specs, RankingFitness(ranking, network, [couples])
        ... )
        >>> fitness.evaluate(torch.zeros(4, network.n_params)).fitness.shape
        torch.Size([4])
    """

    def __init__(
        self,
        config: LearnabilityConfig,
        network: LossNetwork,
        specs: Sequence[TaskGroupSpec],
        ranking: RankingFitness,
        executor: Submits | None = None,
    ) -> None:
        self.config, self.network, self.specs = config, network, specs
        self.ranking, self.executor = ranking, executor

    def evaluate(self, params: Tensor) -> Evaluation:
        """Judge candidates ``(popsize, n_params)``."""
        ranked = self.ranking.evaluate(params)
        learned = measure_learnability(self.config, self.network, params, self.specs, self.executor)
        missing = (self.config.ranking_floor - ranked.consistency.double()).clamp(min=0)
        fitness = learned.fitness + self.config.ranking_weight * missing
        fitness = torch.where(fitness.isnan(), torch.inf, fitness)
        accepted = fitness.isfinite()
        consistency = torch.where(accepted, ranked.consistency, torch.nan)
        return Evaluation(fitness, consistency, int((~accepted).sum()), learned.advantage)
