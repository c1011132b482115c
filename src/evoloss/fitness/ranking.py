r"""Ranking-consistency fitness: a more erroneous prediction must cost more.

For a couple (a, b) of pairs with error(b) > error(a), let d = L(b) - L(a). The fitness, minimised, is the
mean over comparable couples of

- ``sign``: [d < 0] + 1/2 [d = 0], that is 1 minus the ranking consistency; blind to scale;
- ``hinge``: max(0, 1 - d / margin);
- ``logistic``: log(1 + exp(-d / margin)).

The smooth two read d in the scale of the canonical form. Couples with equal errors are not comparable and are
left out; with the error ``dominance`` every couple is a pair and the same pair with mass moved off its label.
A candidate without canonical form, or with a loss that is not finite, is rejected: its fitness is infinite,
it is counted, and it enters no mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.networks import ClasswiseNetwork, LossNetwork, LossTable
from evoloss.pairs import ERROR_KINDS, ErrorKind, Pairs, error_key, move_mass

Objective = Literal["sign", "hinge", "logistic"]


@dataclass(frozen=True, kw_only=True)
class RankingConfig:
    """How ranking consistency is measured.

    Attributes:
        objective: ``"sign"``, ``"hinge"`` or ``"logistic"``; see the module's docstring.
        margin: unit of a loss difference in the smooth objectives, above 0.
        error: ``"one_minus_p"``, ``"total_variation"`` or ``"dominance"``.
        couples_per_pair: each pair is compared with so many others, at least 1; without effect for dominance.
        n_grid: nodes of the tables; 0 evaluates the networks exactly.
    """

    objective: Objective = "sign"
    margin: float = 0.1
    error: ErrorKind = "one_minus_p"
    couples_per_pair: int = 4
    n_grid: int = 128

    def __post_init__(self) -> None:
        if self.objective not in get_args(Objective):
            raise UnknownNameError.among("ranking objective", self.objective, get_args(Objective))
        if self.error not in ERROR_KINDS:
            raise UnknownNameError.among("error", self.error, ERROR_KINDS)
        if not 0 < self.margin < float("inf"):
            raise ConfigError(f"margin must be above 0 and finite, got {self.margin}")
        if self.couples_per_pair < 1:
            raise ConfigError(f"couples_per_pair must be at least 1, got {self.couples_per_pair}")
        if self.n_grid < 0 or self.n_grid == 1:
            raise ConfigError(f"n_grid must be 0 (exact) or at least 2, got {self.n_grid}")


class Evaluation(NamedTuple):
    """The fitness of a population.

    Attributes:
        fitness: minimised, infinite for rejected candidates, shape ``(popsize,)``.
        consistency: ranking consistency on the couples seen, NaN for rejected candidates, ``(popsize,)``.
        rejected: how many candidates were rejected.
    """

    fitness: Tensor
    consistency: Tensor
    rejected: int


@dataclass(frozen=True)
class Couples:
    """Couples of one class count, each with the more erroneous pair as ``worse``.

    Attributes:
        pairs: log-probabilities ``(M, C)`` and targets ``(M,)`` of all pairs involved.
        worse: positions in ``pairs``, shape ``(K,)``.
        better: positions in ``pairs``, shape ``(K,)``.
    """

    log_probs: Tensor
    target: Tensor
    worse: Tensor
    better: Tensor


def make_couples(config: RankingConfig, pairs: Pairs, generator: torch.Generator) -> Couples:
    """Couple the pairs of one batch; the generator is used for dominance only.

    Raises:
        ConfigError: if no couple is comparable.
    """
    if config.error == "dominance":
        n = len(pairs.target)
        moved = move_mass(pairs.log_probs, pairs.target, generator)
        log_probs = torch.cat([pairs.log_probs, moved])
        better = torch.arange(n, device=log_probs.device)
        return Couples(log_probs, pairs.target.repeat(2), better + n, better)
    key = error_key(config.error, pairs.log_probs, pairs.target)
    n = len(key)
    first = torch.arange(n, device=key.device)
    # A batch is in random order, so pair i with pair i + s is a random couple.
    shifts = range(1, min(config.couples_per_pair, n - 1) + 1)
    second = torch.cat([(first + s) % n for s in shifts]) if n > 1 else first
    first = first.repeat(len(shifts)) if n > 1 else first
    comparable = key[first] != key[second]
    if not comparable.any():
        raise ConfigError("no couple of pairs is comparable: all errors are equal; draw more pairs")
    first, second = first[comparable], second[comparable]
    first_worse = key[first] > key[second]
    return Couples(
        pairs.log_probs,
        pairs.target,
        torch.where(first_worse, first, second),
        torch.where(first_worse, second, first),
    )


class RankingFitness:
    """The fitness of populations on one set of couples, which all candidates share (common random numbers).

    Args:
        config: the objective.
        network: what the parameters mean.
        couples: one entry a class count; the fitness is the mean over them.
    """

    def __init__(self, config: RankingConfig, network: LossNetwork, couples: list[Couples]) -> None:
        self.config, self.network, self.couples = config, network, couples
        self._table: LossTable | None = None
        if config.n_grid and isinstance(network, ClasswiseNetwork):
            self._table = LossTable(network, config.n_grid)
            # The difference within a couple is linear in the tables, so it folds into the weights.
            self._folded = [self._fold(self._table, each) for each in couples]

    def evaluate(self, params: Tensor) -> Evaluation:
        """Score candidates ``(popsize, n_params)``."""
        total = torch.zeros(len(params), dtype=params.dtype, device=params.device)
        consistency = torch.zeros_like(total)
        accepted = torch.ones(len(params), dtype=torch.bool, device=params.device)
        for position, couples in enumerate(self.couples):
            accepted &= self.network.form(params, couples.log_probs.shape[1]).exists
            gap = self._gaps(params, position)
            accepted &= gap.isfinite().all(dim=1)
            total += self._cost(gap)
            consistency += 1 - _sign_cost(gap)
        fitness = torch.where(accepted, total / len(self.couples), torch.inf)
        consistency = torch.where(accepted, consistency / len(self.couples), torch.nan)
        return Evaluation(fitness, consistency, int((~accepted).sum()))

    def _gaps(self, params: Tensor, position: int) -> Tensor:
        """``L(worse) - L(better)`` of every couple, ``(popsize, K)``."""
        couples = self.couples[position]
        if self._table is not None:
            return self._table.tables(params, couples.log_probs.shape[1]) @ self._folded[position]
        losses = self.network.losses(params, couples.log_probs, couples.target)
        return losses[:, couples.worse] - losses[:, couples.better]

    def _cost(self, gap: Tensor) -> Tensor:
        if self.config.objective == "sign":
            return _sign_cost(gap)
        if self.config.objective == "hinge":
            return F.relu(1 - gap / self.config.margin).mean(dim=1)
        return F.softplus(-gap / self.config.margin).mean(dim=1)

    @staticmethod
    def _fold(table: LossTable, couples: Couples) -> Tensor:
        by_pair = table.weights(couples.log_probs, couples.target).matrix.T.contiguous()
        return (by_pair[couples.worse] - by_pair[couples.better]).T


def _sign_cost(gap: Tensor) -> Tensor:
    return 0.5 * (1 - torch.sign(gap).mean(dim=1))
