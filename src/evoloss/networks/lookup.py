r"""A classwise loss as two look-up tables of log p: what makes a loss step cheap.

:math:`L(p, k) = \sum_j \phi_0(\log p_j) + \delta(\log p_k)` with :math:`\delta = \phi_1 - \phi_0` needs two
functions of one number. Each is made piecewise linear on a uniform grid of log-probabilities from 0 down to
the floor, so that a value and its slope are one multiplication, one conversion to an integer and two
look-ups away:

.. math::
    i = \lfloor -\mathrm{scale} \cdot \max(\log p, \mathrm{floor}) \rfloor, \qquad
    f(\log p) = \mathrm{value}_i + \mathrm{slope}_i \log p.

The last cell goes on below the floor: :math:`\phi_0` stays 0 there, :math:`\delta` is linear. The slope is
exactly the derivative of the value. With cells of width d the value is off by at most :math:`d^2 / 8
\max|f''|` and the slope by :math:`d / 2 \max|f''|`; :func:`lookup_errors` measures both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from evoloss.networks.classwise import LOG_P_FLOOR, ClasswiseNetwork

# Cells are a 950th wide. Half as many save no time that could be measured; in use are those down to log p =
# -20 or so, 80 kB a table, which stay in the second-level cache.
N_NODES = 1 << 16


@dataclass(frozen=True)
class LookupTables:
    r"""Both functions of one loss at one class count.

    Attributes:
        n_classes: the class count.
        table: float32, shape ``(4, N_NODES)``: value and slope of :math:`\phi_0`, value and slope of
            :math:`\delta`.
        has_other: whether :math:`\phi_0` has to be looked up. Where C times it, and C times its slope, are
            below float32's resolution, evolution has silenced it, and a loss is a function of its label's p.
    """

    n_classes: int
    table: Tensor
    has_other: bool

    @property
    def scale(self) -> float:
        """Cells a unit of log p."""
        return (self.table.shape[1] - 1) / -LOG_P_FLOOR

    @property
    def floor(self) -> float:
        """Log-probability at which the last cell begins."""
        return LOG_P_FLOOR

    @property
    def other_value(self) -> Tensor:
        r"""Of :math:`\phi_0`, shape ``(N_NODES,)``; so are the other three."""
        return self.table[0]

    @property
    def other_slope(self) -> Tensor:
        r"""Of :math:`\phi_0`."""
        return self.table[1]

    @property
    def label_value(self) -> Tensor:
        r"""Of :math:`\delta`."""
        return self.table[2]

    @property
    def label_slope(self) -> Tensor:
        r"""Of :math:`\delta`."""
        return self.table[3]


class LookupErrors(NamedTuple):
    r"""Largest absolute errors of either function down to the floor.

    Attributes:
        value: of :math:`\phi_0` and :math:`\delta`.
        slope: of their derivatives by log p, where cross-entropy's is -1.
    """

    value: float
    slope: float


def tabulate(
    network: ClasswiseNetwork, params: Tensor, n_classes: int, n_nodes: int = N_NODES
) -> LookupTables:
    """Tabulate one candidate; worked out in float64, on the device of its parameters.

    Args:
        network: a classwise or monotone network.
        params: shape ``(n_params,)``.
        n_classes: the class count, at least 2, at which the candidate has a canonical form.
        n_nodes: number of nodes, the cells and the one below the floor.
    """
    row = params.detach().double()[None]
    nodes = torch.linspace(0.0, LOG_P_FLOOR, n_nodes, dtype=torch.float64, device=row.device)
    form = network.form(row, n_classes)
    other = network.phi_other(row, form, nodes, n_classes)[0]
    delta = network.phi_label(row, form, nodes, n_classes)[0] - other
    tail = torch.as_tensor(form.scale * form.tail, device=row.device).reshape(1)
    columns = []
    for values, below in ((other, torch.zeros_like(tail)), (delta, tail)):
        slopes = torch.cat([values.diff() / nodes.diff(), below])
        columns += [values - slopes * nodes, slopes]
    loudest = max(float(other.abs().max()), float((other.diff() / nodes.diff()).abs().max()))
    has_other = n_classes * loudest > torch.finfo(torch.float32).eps
    return LookupTables(n_classes, torch.stack(columns).float(), has_other)


def lookup_errors(network: ClasswiseNetwork, params: Tensor, tables: LookupTables) -> LookupErrors:
    """Measure the tables against the network in float64, at four points a cell.

    Args:
        network: what was tabulated.
        params: shape ``(n_params,)``.
        tables: from :func:`tabulate`.
    """
    row = params.detach().double()[None]
    n, n_classes = tables.table.shape[1], tables.n_classes
    log_p = torch.linspace(0.0, LOG_P_FLOOR, 4 * (n - 1) + 1, dtype=torch.float64, device=row.device)[1:-1]
    cell = (log_p * -tables.scale).long()
    layers = network.mlp.layers(network.constrain(row))
    form = network.form(row, n_classes)
    exact = []
    for is_label, offset in ((False, form.at_floor), (True, form.at_certain)):
        inputs = network.inputs(log_p, is_label, n_classes)
        raw, slope = network.mlp.value_and_derivative(
            layers, inputs, network.tangents(log_p, is_label, n_classes)
        )
        exact.append(((form.scale * (raw - offset))[0], (form.scale * slope)[0]))
    (other, other_slope), (label, label_slope) = exact
    value_error = slope_error = 0.0
    for start, values, slopes in ((0, other, other_slope), (2, label - other, label_slope - other_slope)):
        intercept, slope = (tables.table[start + at].double()[cell] for at in (0, 1))
        value_error = max(value_error, float((intercept + slope * log_p - values).abs().max()))
        slope_error = max(slope_error, float((slope - slopes).abs().max()))
    return LookupErrors(value_error, slope_error)
