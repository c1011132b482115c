r"""A classwise loss in use: two functions of log p as straight lines between many equally spaced nodes.

:math:`L(p, k) = \sum_j \phi_0(\log p_j) + \delta(\log p_k)` with :math:`\delta = \phi_1 - \phi_0`. A place on
a uniform grid is one multiplication away, and a line is one multiplication and one addition; evaluating the
network costs tens of each for every class. Between nodes h apart a line through the ends of the cell is off
by at most :math:`h^2 / 8 \cdot \max |\phi''|`, and its slope by at most :math:`h / 2 \cdot \max |\phi''|`.
:func:`tabulate` measures both.

:class:`evoloss.networks.table.LossTable` serves the search instead: many candidates, few nodes, no slopes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from evoloss.networks.terms import LOG_P_FLOOR, Array, Context, FewCosts, FewRows, RowTerms

if TYPE_CHECKING:
    from evoloss.networks.kinds.classwise import ClasswiseForm, ClasswiseNetwork

# The slope of a shipped loss is off by 5e-4 of itself at most, an eighth of bfloat16's rounding; half a
# megabyte for the two tables that are read for every logit fits a cache, and takes 15 ms to fill.
N_NODES = 1 << 16

_ROWS = 1 << 13  # nodes that go through the network at once: what a cache holds
_WORST, _SPREAD = 256, 1024  # cells in which the error is measured: the most curved, and evenly spread
# What float32 cannot tell from 0 beside the label's slope, which is about 1 in canonical form.
_NOTHING = 2.0**-24


@dataclass(frozen=True)
class LookupTables(RowTerms):
    r"""One classwise loss at one class count.

    Cell i covers the log-probabilities from ``-i / scale`` down to ``-(i + 1) / scale``. There
    :math:`\phi_0` is ``other_value[i] + other_slope[i] * log_p`` and :math:`\delta` is
    ``label_value[i] + label_slope[i] * log_p``. The last cell covers everything below ``floor``:
    :math:`\phi_0` is constant there and :math:`\delta` goes on with the tail slope. Both are continuous.
    :math:`\delta` holds the constant that makes 0 the least that any prediction costs.

    Attributes:
        scale: cells a unit of log p; as the floor, a number that float32 holds exactly.
        floor: log-probability at which the last cell begins.
        other_value: :math:`\phi_0`, shape ``(n_nodes,)``, float32, contiguous; so are the other three.
        other_slope: its slopes.
        label_value: :math:`\delta`.
        label_slope: its slopes.
        n_classes: the class count.
        value_error: the largest absolute error of either function that was measured, against the network in
            float64; of the class sum, C times as much at most.
        slope_error: the same of their derivatives.
        has_other: whether :math:`\phi_0` is anything but 0. It is taken for 0 where its values and slopes,
            summed over the classes, stay below :math:`2^{-24}`.

    Example:
        >>> from evoloss import EvolvedLoss
        >>> tables = EvolvedLoss("evolved-base").tables(10)
        >>> tables.n_classes, tables.value_error < 1e-4
        (10, True)
    """

    scale: float
    floor: float
    other_value: Tensor
    other_slope: Tensor
    label_value: Tensor
    label_slope: Tensor
    n_classes: int
    value_error: float
    slope_error: float
    has_other: bool = True

    def cost_and_slope(self, log_p: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        r""":math:`\delta` and its slope at log-probabilities of any shape; see :class:`RowTerms`."""
        del context
        # cells, without a call of its own, and of the type that take asks for
        scale, last = self._numbers
        cell = torch.minimum(log_p * scale, last).long().clamp_(min=0)
        slope = self.label_slope.take(cell)
        return self.label_value.take(cell).addcmul_(slope, log_p), slope

    @cached_property
    def _numbers(self) -> tuple[Tensor, Tensor]:
        """Minus the scale and the last cell; an operation takes a tensor in half of the time of a number."""
        numbers = -self.scale, float(len(self.label_value) - 1)
        scale, last = torch.tensor(numbers, dtype=torch.float32, device=self.label_value.device)
        return scale, last

    def others(self, log_probs: Tensor, scratch: Sequence[Tensor] | None) -> tuple[Tensor, Tensor]:
        r"""The sum of :math:`\phi_0` over the classes and its slopes; see :class:`RowTerms`."""
        scale, last = self._numbers
        if scratch is None:
            place = torch.minimum(log_probs * scale, last)
            # NaN becomes some integer, negative on some machines; what is looked up there is NaN again.
            cell = place.long().clamp_(min=0)
            value, slope = self.other_value.take(cell), self.other_slope.take(cell)
        else:
            slope, place, value, cells = scratch
            torch.minimum(torch.mul(log_probs, scale, out=place), last, out=place)
            places = cells.copy_(place).clamp_(min=0).view(-1)
            torch.index_select(self.other_value, 0, places, out=value.view(-1))
            torch.index_select(self.other_slope, 0, places, out=slope.view(-1))
        # place is -scale times the clamped log-probability.
        return value.addcmul_(slope, place, value=-1.0 / self.scale).sum(1), slope

    def few(self, rows: FewRows) -> FewCosts:
        r"""Costs and slopes of a small batch; see :class:`RowTerms`."""
        scale, floor, other_value, other_slope, label_value, label_slope, both_slopes = self._arrays
        if not self.has_other:
            cell = (rows.log_p * scale).astype(np.intp)
            slope = label_slope.take(cell)
            cost = slope * rows.log_p
            cost += label_value.take(cell)
            return cost, slope
        inside = np.maximum(rows.log_probs, floor)
        cells = (inside * scale).astype(np.intp)
        cell = cells.take(rows.at_label)
        cost = label_slope.take(cell)
        cost *= rows.log_p
        cost += label_value.take(cell)
        slopes = other_slope.take(cells)
        inside *= slopes
        inside += other_value.take(cells)
        cost += np.add.reduce(inside, 0)
        slopes.put(rows.at_label, both_slopes.take(cell))
        return cost, slopes

    @cached_property
    def _arrays(self) -> tuple[np.float32, np.float32, Array, Array, Array, Array, Array]:
        """Minus the scale, the floor, the four columns and the sum of the slopes, for NumPy."""
        columns = self.other_value, self.other_slope, self.label_value, self.label_slope
        value, slope, label_value, label_slope = (column.numpy() for column in columns)
        numbers = np.float32(-self.scale), np.float32(self.floor)
        return *numbers, value, slope, label_value, label_slope, slope + label_slope

    def cells(self, log_p: Tensor) -> Tensor:
        """The cell of each log-probability, int32, of the same shape; NaN lies in some cell."""
        places = (log_p * -self.scale).clamp(max=len(self.label_value) - 1)
        return places.to(torch.int32).clamp(min=0)

    def other(self, log_p: Tensor) -> Tensor:
        r""":math:`\phi_0` at log-probabilities of any shape; differentiable once."""
        inside = log_p.clamp(min=self.floor)  # -inf times the slope 0 of the last cell would be NaN
        cells = self.cells(log_p.detach())
        return self.other_value[cells] + self.other_slope[cells] * inside

    def label(self, log_p: Tensor) -> Tensor:
        r""":math:`\delta` at log-probabilities of any shape; differentiable once."""
        cells = self.cells(log_p.detach())
        return self.label_value[cells] + self.label_slope[cells] * log_p


def tabulate(
    network: ClasswiseNetwork, params: Tensor, n_classes: int, n_nodes: int = N_NODES
) -> LookupTables:
    """Tabulate one loss at one class count, in float64 on the CPU whatever the device of the result.

    Args:
        network: a classwise or monotone network.
        params: its parameters, shape ``(n_params,)``; they have a canonical form at ``n_classes``.
        n_classes: at least 2.
        n_nodes: at least 2; the grid is uniform in log p.

    Returns:
        Tables on the device of ``params``.

    Example:
        >>> network = MonotoneNetwork(hidden=(4,))
        >>> params = network.initial(torch.Generator().manual_seed(0))
        >>> tabulate(network, params, n_classes=10, n_nodes=1024).n_classes
        10
    """
    exact = params.detach().to("cpu", torch.float64)[None]
    form = network.form(exact, n_classes)
    scale, floor = _grid(n_nodes)
    nodes = torch.arange(n_nodes, dtype=torch.float64) / -scale
    other, label = (_phi(network, exact, form, nodes, flag, n_classes) for flag in (False, True))
    delta = label - other
    tail = float(form.scale * form.tail)
    columns = [*_lines(nodes, other, 0.0), *_lines(nodes, delta, tail)]
    has_other = n_classes * max(float(other.abs().max()), float(columns[1].abs().max())) >= _NOTHING
    if not has_other:
        # delta is then phi_1, which is 0 to the last digit at p = 1.
        zero = torch.zeros_like(columns[0])
        columns, other, delta = [zero, zero, *_lines(nodes, label, tail)], zero, label
    least = float(network.least_cost(exact[0], n_classes, form))
    columns[2] = columns[2] - least
    a, b, c, d = (column.float() for column in columns)
    tables = LookupTables(scale, floor, a, b, c, d, n_classes, math.inf, math.inf, has_other)
    value_error, slope_error = _errors(network, exact, form, tables, (other, delta), least)
    a, b, c, d = (coefficients.to(params.device) for coefficients in (a, b, c, d))
    return LookupTables(scale, floor, a, b, c, d, n_classes, value_error, slope_error, has_other)


def _grid(n_nodes: int) -> tuple[float, float]:
    """Scale and floor that float32 holds, with the floor's product inside the last cell in float32 too."""
    floor = torch.tensor(LOG_P_FLOOR, dtype=torch.float32)
    scale = (n_nodes - 1) / -floor
    while float(floor * -scale) < n_nodes - 1:
        scale = torch.nextafter(scale, torch.full_like(scale, math.inf))
    return float(scale), float(floor)


def _phi(
    network: ClasswiseNetwork, params: Tensor, form: ClasswiseForm, log_p: Tensor, label: bool, n_classes: int
) -> Tensor:
    """One of the two functions, shape of ``log_p``."""
    phi = network.phi_label if label else network.phi_other
    return torch.cat([phi(params, form, piece, n_classes)[0] for piece in torch.split(log_p, _ROWS)])


def _lines(nodes: Tensor, values: Tensor, last: float) -> tuple[Tensor, Tensor]:
    """Intercepts and slopes of the cells; ``last`` is the slope of the last one."""
    slopes = torch.cat([values.diff() / nodes.diff(), values.new_tensor([last])])
    return values - slopes * nodes, slopes


def _errors(
    network: ClasswiseNetwork,
    params: Tensor,
    form: ClasswiseForm,
    tables: LookupTables,
    values: tuple[Tensor, Tensor],
    least: float,
) -> tuple[float, float]:
    """Largest errors of value and slope, in the middle and at the ends of the cells that are looked at."""
    n_cells, n_classes = len(tables.label_value) - 1, tables.n_classes
    curved = [row.diff().diff().abs().topk(min(_WORST, n_cells - 1)).indices for row in values]
    spread = torch.linspace(0, n_cells - 1, min(_SPREAD, n_cells), dtype=torch.float32).long()
    cells = torch.cat([*curved, spread]).double()
    # Float32 rounds the ends of a cell into a neighbour; a little inside is the same up to that.
    places = torch.cat([(cells + share) / -tables.scale for share in (0.01, 0.5, 0.99)]).float().double()
    layers = network.mlp.layers(network.constrain(params))
    exact = []
    for flag in (False, True):
        value, slope = network.raw_and_slope(layers, places, flag, (n_classes,))
        offset = form.at_certain if flag else form.at_floor
        exact.append(((value - offset) * form.scale, slope * form.scale))
    (other, other_slope), (label, label_slope) = exact
    log_p = places.float()
    found = tables.cells(log_p)
    value_error = slope_error = 0.0
    for made, made_slope, value, slope in (
        (tables.other(log_p), tables.other_slope[found], other, other_slope),
        (tables.label(log_p), tables.label_slope[found], label - other - least, label_slope - other_slope),
    ):
        value_error = max(value_error, float((made - value).abs().max()))
        slope_error = max(slope_error, float((made_slope - slope).abs().max()))
    return value_error, slope_error
