r"""Classwise losses in tabulated form: a whole population as one matrix product.

:math:`\phi_0` and :math:`\delta = \phi_1 - \phi_0` are functions of one number. Each candidate is tabulated
on a grid of log-probabilities, and the losses of all candidates on all pairs are ``T @ A.T``: the tables T
``(popsize, columns)`` and the interpolation weights A ``(N, columns)`` of the pairs, which no candidate
enters.

Interpolation is by the cubic spline through the nodes (not-a-knot at both ends; de Boor, "A Practical Guide
to Splines", 1978) in the coordinate ``u = log(1 - log p)``, which is dense where p changes quickly. Of a
function with a fourth derivative in u its error is at most ``5 / 384 * d**4 * max |f''''|`` for nodes d
apart, up to the ends; :meth:`LossTable.error` measures it for given candidates. The tables hold B-spline
coefficients instead of node values: four of them, with weights that are cubic in the place between two
nodes, make the value there.

Columns: ``n_grid + 2`` coefficients of delta, as many of phi_0 less its value at the uniform prediction, C
times that value, and the slope of delta below the floor. The value is kept apart because C times it stands
in every loss and in no difference of two: what is left is small where many classes crowd, and float32
rounds it less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.networks.terms import LOG_P_FLOOR
from evoloss.pairs import label_log_probs

if TYPE_CHECKING:
    from evoloss.networks.kinds.classwise import ClasswiseForm, ClasswiseNetwork

MIN_GRID = 5  # not-a-knot takes five coefficients at each end
DEFAULT_GRID = 32  # flips no couple that float32 would not flip by itself; see tests and docs/performance.md

_CHUNK_ELEMENTS = 1 << 17
_LENGTH = math.log1p(-LOG_P_FLOOR)  # of the grid in u; the other end is u = 0, p = 1


@dataclass(frozen=True)
class LossTable:
    """Tabulates classwise networks on ``n_grid`` log-probabilities.

    Attributes:
        network: a classwise or monotone network.
        n_grid: number of nodes, at least ``MIN_GRID``.

    Raises:
        ConfigError: if there are fewer.

    Example:
        >>> network = NETWORKS["classwise"]()
        >>> params = torch.randn(5, network.n_params, generator=torch.Generator().manual_seed(0))
        >>> table = LossTable(network, n_grid=32)
        >>> table.error(params, n_classes=10).shape
        torch.Size([5])
    """

    network: ClasswiseNetwork
    n_grid: int = DEFAULT_GRID

    def __post_init__(self) -> None:
        if self.n_grid < MIN_GRID:
            raise ConfigError(f"n_grid must be at least {MIN_GRID}, got {self.n_grid}")

    @property
    def n_columns(self) -> int:
        """Columns of tables and weights."""
        return 2 * (self.n_grid + 2) + 2

    def grid(self, like: Tensor) -> Tensor:
        """The nodes, from 0 down to the floor, shape ``(n_grid,)``."""
        return _grid(self.n_grid, like.dtype, like.device)

    def tables(self, params: Tensor, n_classes: int) -> Tensor:
        """The tables of candidates ``(popsize, n_params)``, shape ``(popsize, n_columns)``."""
        return self.tables_and_forms(params, (n_classes,))[0][0]

    def tables_and_forms(
        self, params: Tensor, counts: tuple[int, ...]
    ) -> tuple[list[Tensor], list[ClasswiseForm]]:
        """Tables and canonical forms at several class counts, by one pass through the network each."""
        network, n = self.network, self.n_grid
        forms = network.forms(params, counts)
        inputs = _inputs(network, n, counts, params.dtype, params.device)
        # A layer of all candidates at once would leave the cache: half a megabyte at a time.
        rows = max(1, _CHUNK_ELEMENTS // (len(inputs) * max(network.hidden, default=1)))
        raw = torch.cat(
            [
                network.mlp.value(network.mlp.layers(part), inputs)
                for part in torch.split(network.constrain(params), rows)
            ]
        )
        factor = _factors(network, n, counts, params.dtype, params.device)
        if factor is not None:
            raw = raw * factor
        solve = _coefficients(n, params.dtype, params.device)
        tables = []
        for n_classes, form, values in zip(counts, forms, torch.split(raw, 2 * n, dim=1), strict=True):
            label, other = values[:, :n] - form.at_certain, values[:, n:] - form.at_floor
            uniform = _nearest_node(n, n_classes)
            level = other[:, uniform : uniform + 1]
            delta, phi_0 = (label - other) @ solve, (other - level) @ solve
            tail = torch.as_tensor(form.tail, dtype=params.dtype, device=params.device).expand(len(params), 1)
            tables.append(torch.cat([delta, phi_0, n_classes * level, tail], dim=1) * form.scale)
        return tables, forms

    def weights(self, log_probs: Tensor, target: Tensor, counts: Tensor | None = None) -> Tensor:
        """The weights A such that ``tables @ A.T`` are the losses of the pairs.

        Args:
            log_probs: normalised log-probabilities, shape ``(N, S)``; the labels' must be finite.
            target: the label's column, shape ``(N,)``.
            counts: how many classes each column stands for, shape ``(S,)``; None for one each.

        Returns:
            Shape ``(N, n_columns)``.
        """
        n, width = len(log_probs), self.n_grid + 2
        matrix = torch.zeros(n, self.n_columns, dtype=log_probs.dtype, device=log_probs.device)
        node, shares = self._bracket(log_probs)
        for offset, share in enumerate(shares):
            matrix.scatter_add_(1, node + (width + offset), share if counts is None else share * counts)
        log_p = label_log_probs(log_probs, target)
        node, shares = self._bracket(log_p[:, None])
        for offset, share in enumerate(shares):
            matrix.scatter_add_(1, node + offset, share)
        matrix[:, -2] = 1.0
        matrix[:, -1] = (log_p - LOG_P_FLOOR).clamp_(max=0.0)
        return matrix

    def error(self, params: Tensor, n_classes: int, n_points: int = 4096) -> Tensor:
        """The largest absolute interpolation error of either function for each candidate, ``(popsize,)``.

        Measured against the network at ``n_points`` log-probabilities between the floor and 0, spaced as the
        grid is.
        """
        log_p = _grid(n_points, params.dtype, params.device)
        form = self.network.form(params, n_classes)
        width, tables = self.n_grid + 2, self.tables(params, n_classes)
        node, shares = self._bracket(log_p)
        other = self.network.phi_other(params, form, log_p, n_classes)
        label = self.network.phi_label(params, form, log_p, n_classes)
        level = tables[:, -2:-1] / n_classes
        errors = []
        for start, exact in ((0, label - other), (width, other - level)):
            made = sum(tables[:, start + node + offset] * share for offset, share in enumerate(shares))
            errors.append((made - exact).abs().amax(dim=1))
        return torch.maximum(*errors)

    def _bracket(self, log_p: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor, Tensor]]:
        """The first of the four coefficients of each log-probability, and the four weights."""
        last = self.n_grid - 1
        place = torch.log1p(-log_p.clamp(min=LOG_P_FLOOR)).mul_(last / _LENGTH)
        node = place.long().clamp_(max=last - 1)
        x = place.sub_(node)
        y = 1 - x
        # The uniform cubic B-spline; the weights sum to 1.
        square, cube = x * x, x * x * x
        first, last_ = (y * y * y) / 6, cube / 6
        second = cube / 2 - square + 2 / 3
        return node, (first, second, 1 - first - second - last_, last_)


@lru_cache(maxsize=64)
def _grid(n_grid: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    u = torch.linspace(0, _LENGTH, n_grid, dtype=torch.float64)
    nodes = 1 - torch.exp(u)
    nodes[0], nodes[-1] = 0.0, LOG_P_FLOOR
    return nodes.to(dtype=dtype, device=device)


@lru_cache(maxsize=64)
def _inputs(
    network: ClasswiseNetwork, n_grid: int, counts: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Feature rows of the nodes, as the label and then as another class, for each class count."""
    nodes = _grid(n_grid, dtype, device)
    return torch.cat([network.inputs(nodes, flag, count) for count in counts for flag in (True, False)])


@lru_cache(maxsize=64)
def _factors(
    network: ClasswiseNetwork, n_grid: int, counts: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> Tensor | None:
    """The network's factors at the rows of :func:`_inputs`, or None where they are 1."""
    nodes = _grid(n_grid, dtype, device)
    factors = [network.factor(nodes, flag, count) for count in counts for flag in (True, False)]
    known = [factor for factor in factors if factor is not None]
    return torch.cat(known) if len(known) == len(factors) else None


def _nearest_node(n_grid: int, n_classes: int) -> int:
    """The node nearest to the uniform prediction."""
    return round(math.log1p(math.log(n_classes)) * (n_grid - 1) / _LENGTH)


@lru_cache(maxsize=64)
def _coefficients(n_grid: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """From node values to B-spline coefficients: ``values @ solve``, shape ``(n_grid, n_grid + 2)``."""
    system = torch.zeros(n_grid + 2, n_grid + 2, dtype=torch.float64)
    for node in range(n_grid):
        system[node + 1, node : node + 3] = torch.tensor([1.0, 4.0, 1.0], dtype=torch.float64) / 6
    # Not-a-knot: the third derivative does not jump at the first and the last inner node.
    jump = torch.tensor([1.0, -4.0, 6.0, -4.0, 1.0], dtype=torch.float64)
    system[0, :5], system[-1, -5:] = jump, jump
    solve = torch.linalg.inv(system)[:, 1:-1].T
    result: Tensor = solve.contiguous().to(dtype=dtype, device=device)
    return result
