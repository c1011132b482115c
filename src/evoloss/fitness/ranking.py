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

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.networks import DEFAULT_GRID, MIN_GRID, LossNetwork, LossTable
from evoloss.pairs import ERROR_KINDS, ErrorKind, Pairs, error_key, move_mass
from evoloss.students.workspace import Workspace, chunk_rows

Objective = Literal["sign", "hinge", "logistic"]

Gaps = Iterator[tuple[Tensor, Tensor]]  # differences (popsize, K'), to be overwritten, and who is usable

_LARGEST_ENTRY = 1e30  # of a table: times the weights of 100,000 classes it is still a float32
_WIDTH = 16  # numbers held for each class of a pair while a network is evaluated, about


@dataclass(frozen=True, kw_only=True)
class RankingConfig:
    """Settings by which ranking consistency is measured.

    Attributes:
        objective: ``"sign"``, ``"hinge"`` or ``"logistic"``; see the module's docstring.
        margin: unit of a loss difference in the smooth objectives, above 0.
        error: ``"one_minus_p"``, ``"total_variation"`` or ``"dominance"``.
        couples_per_pair: each pair is compared with so many others, at least 1; without effect for dominance.
        n_grid: nodes of the tables; 0 evaluates the networks exactly.

    Example:
        >>> RankingConfig(objective="logistic", error="dominance").margin
        0.1
    """

    objective: Objective = "sign"
    margin: float = 0.1
    error: ErrorKind = "one_minus_p"
    couples_per_pair: int = 4
    n_grid: int = DEFAULT_GRID

    def __post_init__(self) -> None:
        if self.objective not in get_args(Objective):
            raise UnknownNameError.among("ranking objective", self.objective, get_args(Objective))
        if self.error not in ERROR_KINDS:
            raise UnknownNameError.among("error", self.error, ERROR_KINDS)
        if not 0 < self.margin < float("inf"):
            raise ConfigError(f"margin must be above 0 and finite, got {self.margin}")
        if self.couples_per_pair < 1:
            raise ConfigError(f"couples_per_pair must be at least 1, got {self.couples_per_pair}")
        if self.n_grid != 0 and self.n_grid < MIN_GRID:
            raise ConfigError(f"n_grid must be 0 (exact) or at least {MIN_GRID}, got {self.n_grid}")


class Evaluation(NamedTuple):
    """The fitness of a population.

    Attributes:
        fitness: minimised, infinite for rejected candidates, shape ``(popsize,)``.
        consistency: ranking consistency on the couples seen, NaN for rejected candidates, ``(popsize,)``.
        rejected: how many candidates were rejected.
        advantage: accuracy of students less that of cross-entropy's, in points, where students were trained,
            ``(popsize,)``.
    """

    fitness: Tensor
    consistency: Tensor
    rejected: int
    advantage: Tensor | None = None


@dataclass(frozen=True)
class Couples:
    """Couples of one class count, each with the more erroneous pair as ``worse``.

    Attributes:
        log_probs: log-probabilities of all pairs involved, ``(M, C)``, or ``(M, S)`` where columns stand for
            groups of classes.
        target: their labels, as columns of ``log_probs``, ``(M,)``.
        n_classes: the class count.
        worse: positions of pairs, in ``[0, M)``, shape ``(K,)``.
        better: likewise.
        counts: how many classes each column of the pairs stands for, ``(S,)``; None for one each.
        weights: interpolation weights of the pairs, where they are known already (:func:`pair_weights`).

    Example:
        >>> from evoloss.pairs import PairsConfig, sample_pairs
        >>> generator = torch.Generator().manual_seed(0)
        >>> pairs = sample_pairs(PairsConfig(), 100, 10, generator)
        >>> couples = make_couples(RankingConfig(), pairs, generator)
        >>> couples.worse.shape == couples.better.shape
        True
    """

    log_probs: Tensor
    target: Tensor
    n_classes: int
    worse: Tensor
    better: Tensor
    counts: Tensor | None = None
    weights: Tensor | None = None


def make_couples(config: RankingConfig, pairs: Pairs, generator: torch.Generator) -> Couples:
    """Couple the pairs of one batch; the generator is used for dominance only.

    Raises:
        ConfigError: if no couple is comparable, or dominance is asked of grouped classes.

    Example:
        >>> from evoloss.pairs import PairsConfig, sample_pairs
        >>> generator = torch.Generator().manual_seed(0)
        >>> pairs = sample_pairs(PairsConfig(), 100, 10, generator)
        >>> make_couples(RankingConfig(couples_per_pair=2), pairs, generator).n_classes
        10
    """
    if config.error == "dominance":
        if pairs.counts is not None:
            raise ConfigError("dominance moves mass between classes, grouped here; draw with slots=0")
        n = len(pairs.target)
        moved = move_mass(pairs.log_probs, pairs.target, generator)
        log_probs = torch.cat([pairs.log_probs, moved])
        better = torch.arange(n, device=log_probs.device)
        return Couples(log_probs, pairs.target.repeat(2), pairs.n_classes, better + n, better)
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
        pairs.n_classes,
        torch.where(first_worse, first, second),
        torch.where(first_worse, second, first),
        pairs.counts,
    )


class RankingFitness:
    """The fitness of populations on one set of couples, which all candidates share (common random numbers).

    A network that has a table is tabulated, and one matrix product gives every couple's difference: the class
    sum and the difference within the couple stand in the matrix, in which no candidate appears. Others, and
    all with ``n_grid=0``, are evaluated as they are. Either way the work is cut into chunks that stay in
    cache.

    Args:
        config: the objective.
        network: what the parameters mean.
        couples: one entry a class count; the fitness is the mean over them.
        workspace: where the matrices of the couples are kept, for memory to be used again; it must not serve
            two objects that are in use.
        scratch: where intermediate results of :meth:`evaluate` are kept; objects may share it.

    Raises:
        ConfigError: if couples of grouped classes are to be evaluated without tables.

    Example:
        >>> from evoloss.networks import NETWORKS
        >>> from evoloss.pairs import PairsConfig, sample_pairs
        >>> generator = torch.Generator().manual_seed(0)
        >>> network, config = NETWORKS["mixture"](), RankingConfig()
        >>> couples = make_couples(config, sample_pairs(PairsConfig(), 100, 10, generator), generator)
        >>> params = torch.randn(8, network.n_params, generator=generator)
        >>> RankingFitness(config, network, [couples]).evaluate(params).fitness.shape
        torch.Size([8])
    """

    def __init__(
        self,
        config: RankingConfig,
        network: LossNetwork,
        couples: list[Couples],
        workspace: Workspace | None = None,
        scratch: Workspace | None = None,
    ) -> None:
        self.config, self.network, self.couples = config, network, couples
        self._workspace, self._scratch = workspace or Workspace(), scratch or Workspace()
        self._table = table_of(config, network)
        if self._table is not None:
            self._differences = [self._fold(self._table, at) for at in range(len(couples))]
        elif any(couple.counts is not None for couple in couples):
            raise ConfigError("grouped classes need tables: set n_grid, or draw every class (slots=0)")

    def evaluate(self, params: Tensor) -> Evaluation:
        """Score candidates ``(popsize, n_params)``."""
        total = torch.zeros(len(params), dtype=params.dtype, device=params.device)
        consistency = torch.zeros_like(total)
        accepted = torch.ones(len(params), dtype=torch.bool, device=params.device)
        gaps = self._exact_gaps if self._table is None else self._table_gaps(self._table, params)
        for position, couples in enumerate(self.couples):
            cost, signs = torch.zeros_like(total), torch.zeros_like(total)
            for gap, usable in gaps(params, position):
                accepted &= usable
                if self.config.objective != "sign":
                    cost += self._smooth_cost(gap)
                signs += gap.sign_().sum(dim=1)
            disorder = 0.5 * (1 - signs / len(couples.worse))
            consistency += 1 - disorder
            total += disorder if self.config.objective == "sign" else cost / len(couples.worse)
        fitness = torch.where(accepted, total / len(self.couples), torch.inf)
        consistency = torch.where(accepted, consistency / len(self.couples), torch.nan)
        return Evaluation(fitness, consistency, int((~accepted).sum()))

    def consistency_by_count(self, params: Tensor) -> Tensor:
        """Ranking consistency at each class count, NaN for rejected candidates, ``(counts, popsize)``."""
        gaps = self._exact_gaps if self._table is None else self._table_gaps(self._table, params)
        rows = []
        for position, couples in enumerate(self.couples):
            signs, accepted = torch.zeros_like(params[:, 0]), torch.ones_like(params[:, 0], dtype=torch.bool)
            for gap, usable in gaps(params, position):
                accepted &= usable
                signs += gap.sign_().sum(dim=1)
            share = 0.5 * (1 + signs / len(couples.worse))
            rows.append(torch.where(accepted, share, torch.nan))
        return torch.stack(rows)

    def _table_gaps(self, table: LossTable, params: Tensor) -> Callable[[Tensor, int], Gaps]:
        """A generator of chunks of couples' differences from the tables of these candidates."""
        tables, forms = table.tables_and_forms(params, tuple(couple.n_classes for couple in self.couples))

        def gaps(params: Tensor, position: int) -> Gaps:
            own, chunk = tables[position], chunk_rows(len(params))
            gap = self._scratch.take("gap", (len(params), chunk), params)
            # With such tables no difference overflows: there is no need to look at each.
            usable = forms[position].exists & (own.abs() < _LARGEST_ENTRY).all(dim=1)
            for rows in torch.split(self._differences[position], chunk):
                yield torch.mm(own, rows.T, out=gap[:, : len(rows)]), usable

        return gaps

    def _exact_gaps(self, params: Tensor, position: int) -> Gaps:
        """Chunks of couples' differences from the losses of the networks themselves."""
        couples, chunk = self.couples[position], chunk_rows(len(params))
        n, n_classes = couples.log_probs.shape
        exists = self.network.form(params, n_classes).exists
        losses = self._scratch.take("losses", (len(params), n), params)
        n_rows = chunk_rows(len(params) * n_classes * _WIDTH)
        for start in range(0, n, n_rows):
            rows = slice(start, start + n_rows)
            losses[:, rows] = self.network.losses(params, couples.log_probs[rows], couples.target[rows])
        for start in range(0, len(couples.worse), chunk):
            worse, better = (index[start : start + chunk] for index in (couples.worse, couples.better))
            gap = losses[:, worse] - losses[:, better]
            yield gap, exists & gap.isfinite().all(dim=1)

    def _smooth_cost(self, gap: Tensor) -> Tensor:
        if self.config.objective == "hinge":
            return F.relu(1 - gap / self.config.margin).sum(dim=1)
        return F.softplus(-gap / self.config.margin).sum(dim=1)

    def _fold(self, table: LossTable, position: int) -> Tensor:
        """The weights of each couple's difference, ``(K, n_columns)``."""
        couples = self.couples[position]
        weights = couples.weights
        if weights is None:
            weights = pair_weights(table, couples.log_probs, couples.target, couples.counts)
        shape = (len(couples.worse), table.n_columns)
        difference = self._workspace.take(f"difference {position}", shape, weights)
        better = self._workspace.take("better", shape, weights)
        torch.index_select(weights, 0, couples.worse, out=difference)
        torch.index_select(weights, 0, couples.better, out=better)
        return difference.sub_(better)


def table_of(config: RankingConfig, network: LossNetwork) -> LossTable | None:
    """The tables that stand for candidates, or None where they are evaluated exactly.

    Example:
        >>> from evoloss.networks import NETWORKS
        >>> table_of(RankingConfig(n_grid=32), NETWORKS["classwise"]()).n_grid
        32
        >>> table_of(RankingConfig(n_grid=0), NETWORKS["classwise"]()) is None
        True
    """
    return network.population_table(config.n_grid) if config.n_grid else None


def pair_weights(table: LossTable, log_probs: Tensor, target: Tensor, counts: Tensor | None) -> Tensor:
    """:meth:`LossTable.weights` of many pairs, chunk by chunk.

    Example:
        >>> from evoloss.networks import NETWORKS, LossTable
        >>> from evoloss.pairs import PairsConfig, sample_pairs
        >>> pairs = sample_pairs(PairsConfig(), 100, 10, torch.Generator().manual_seed(0))
        >>> table = LossTable(NETWORKS["classwise"]())
        >>> pair_weights(table, pairs.log_probs, pairs.target, None).shape == (100, table.n_columns)
        True
    """
    chunk = chunk_rows(log_probs.shape[1])
    chunks = zip(log_probs.split(chunk), target.split(chunk), strict=True)  # type: ignore[no-untyped-call]
    return torch.cat([table.weights(*rows, counts) for rows in chunks])
