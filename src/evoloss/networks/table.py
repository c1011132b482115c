r"""Classwise losses in tabulated form: a whole population as one matrix product.

:math:`\phi_1` and :math:`\phi_0` are functions of one number. Each candidate is tabulated on a grid of
log-probabilities, and the losses of all candidates on all pairs are ``T @ A``: the tables T
``(popsize, 2 G)`` and the interpolation weights A ``(2 G, N)`` of the pairs, which no candidate enters.

The grid is dense where p changes quickly: ``log p = 1 - exp(a u)`` for u in [0, 1]. Interpolation is linear
in log p, so its error between two nodes a distance d apart is at most ``max |phi''| d**2 / 8``;
:meth:`LossTable.error` measures it for given candidates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.networks.classwise import LOG_P_FLOOR, ClasswiseNetwork
from evoloss.pairs import label_log_probs

_CURVATURE = math.log1p(-LOG_P_FLOOR)  # a in the formula above, so that u = 1 is the floor


@dataclass(frozen=True)
class PairWeights:
    """The interpolation weights ``(2 G, N)`` of a batch of pairs; made by :meth:`LossTable.weights`."""

    matrix: Tensor
    n_classes: int


@dataclass(frozen=True)
class LossTable:
    """Tabulates classwise networks on ``n_grid`` log-probabilities.

    Attributes:
        network: a classwise or monotone network.
        n_grid: number of nodes, at least 2.

    Raises:
        ConfigError: if there are fewer.
    """

    network: ClasswiseNetwork
    n_grid: int = 128

    def __post_init__(self) -> None:
        if self.n_grid < 2:
            raise ConfigError(f"n_grid must be at least 2, got {self.n_grid}")

    def grid(self, like: Tensor) -> Tensor:
        """The nodes, from 0 down to the floor, shape ``(n_grid,)``."""
        u = torch.linspace(0, 1, self.n_grid, dtype=torch.float64)
        nodes = 1 - torch.exp(_CURVATURE * u)
        nodes[-1] = LOG_P_FLOOR
        return nodes.to(like)

    def tables(self, params: Tensor, n_classes: int) -> Tensor:
        """Canonical phi_1 and phi_0 on the grid, side by side, shape ``(popsize, 2 n_grid)``."""
        form = self.network.form(params, n_classes)
        grid = self.grid(params)
        label = self.network.phi_label(params, form, grid, n_classes)
        other = self.network.phi_other(params, form, grid, n_classes)
        return torch.cat([label, other], dim=1)

    def weights(self, log_probs: Tensor, target: Tensor) -> PairWeights:
        """The weights A such that ``tables @ A`` are the losses of the pairs.

        Args:
            log_probs: normalised log-probabilities, shape ``(N, C)``; the labels' must be finite.
            target: labels, shape ``(N,)``.
        """
        n, n_classes = log_probs.shape
        matrix = torch.zeros(n, 2 * self.n_grid, dtype=log_probs.dtype, device=log_probs.device)
        flat = matrix.view(-1)
        rows = torch.arange(n, device=log_probs.device) * (2 * self.n_grid)
        every, of_every = self._bracket(log_probs.clamp(min=LOG_P_FLOOR))
        at = (rows[:, None] + self.n_grid + every).reshape(-1)
        flat.scatter_add_(0, at, (1 - of_every).reshape(-1))
        flat.scatter_add_(0, at + 1, of_every.reshape(-1))
        log_p = label_log_probs(log_probs, target)
        # The label: in with phi_1, out with phi_0. Below the floor phi_1 goes on linearly (a weight above 1).
        for start, values, sign in ((0, log_p, 1.0), (self.n_grid, log_p.clamp(min=LOG_P_FLOOR), -1.0)):
            node, share = self._bracket(values)
            flat.scatter_add_(0, rows + start + node, sign * (1 - share))
            flat.scatter_add_(0, rows + start + node + 1, sign * share)
        return PairWeights(matrix.T, n_classes)

    def losses(self, tables: Tensor, weights: PairWeights) -> Tensor:
        """Losses ``(popsize, N)`` of all candidates on all pairs: one matrix product."""
        return tables @ weights.matrix

    def error(self, params: Tensor, n_classes: int, n_points: int = 4096) -> Tensor:
        """The largest absolute interpolation error of either function for each candidate, ``(popsize,)``.

        Measured against the network at ``n_points`` log-probabilities between the floor and 0, spaced as the
        grid is.
        """
        u = torch.linspace(0, 1, n_points, dtype=torch.float64).to(params)
        log_p = (1 - torch.exp(_CURVATURE * u)).clamp(min=LOG_P_FLOOR)
        form = self.network.form(params, n_classes)
        tables = self.tables(params, n_classes)
        node, share = self._bracket(log_p)
        errors = []
        for start, exact in ((0, self.network.phi_label), (self.n_grid, self.network.phi_other)):
            low, high = tables[:, start + node], tables[:, start + node + 1]
            errors.append(
                (exact(params, form, log_p, n_classes) - (low + share * (high - low))).abs().amax(dim=1)
            )
        return torch.maximum(*errors)

    def _bracket(self, log_p: Tensor) -> tuple[Tensor, Tensor]:
        """The node above each log-probability and the share of the next; it exceeds 1 below the floor."""
        grid = self.grid(log_p)
        node = (torch.log1p(-log_p) * ((self.n_grid - 1) / _CURVATURE)).long().clamp(0, self.n_grid - 2)
        upper = grid[node]
        return node, (upper - log_p) / (upper - grid[node + 1])
