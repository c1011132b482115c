"""Fitting a network to the slopes of a known loss in canonical form, at 2 to 1,000 classes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from evoloss.errors import CanonicalFormError
from evoloss.networks.slopes import SlopesByCount, function_slopes
from evoloss.networks.terms import LOG_P_FLOOR

if TYPE_CHECKING:
    from evoloss.networks.base import LossNetwork

_COUNTS = (2, 3, 5, 10, 30, 100, 1000)
_POINTS = 48
_ROUNDS = 20
_LARGEST_ERROR = 0.3

# Slopes of the functions that parameters weigh, (M, n_params), from log-probabilities, label flag and count.
Columns = Callable[[Tensor, bool, int], Tensor]


def fit_slopes(network: LossNetwork, start: Tensor, known: SlopesByCount, name: str) -> Tensor:
    """Fit by L-BFGS, through the slopes of the network; arguments as for :meth:`LossNetwork.imitate`.

    Raises:
        CanonicalFormError: if the slopes stay far from those of the known loss.
    """
    wanted = [(count, *_wanted(known, count)) for count in _COUNTS]
    params = start.double().clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [params], max_iter=50, history_size=30, line_search_fn="strong_wolfe", tolerance_change=1e-12
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = torch.stack([_misfit(network, params, *target) for target in wanted]).mean()
        loss = torch.where(loss.isfinite(), loss, 1e6)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    for _ in range(_ROUNDS):
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    fitted = params.detach()
    with torch.no_grad():
        worst = max(float(_misfit(network, fitted, *target)) for target in wanted)
    if not worst < _LARGEST_ERROR**2:
        raise CanonicalFormError(
            f"a network of this kind and seed could not be fitted to {name} (mean squared error of its "
            f"slopes {worst:.3g}); use another seed, hidden=(8, 8) or more, or start='random'"
        )
    return fitted.to(start.dtype)


def fit_weights(columns: Columns, known: SlopesByCount, *, not_negative: int = 0) -> Tensor:
    """The weights of fixed functions by least squares, ``(n_params,)``, float64.

    Args:
        columns: slopes of the functions.
        known: slopes of the known loss.
        not_negative: so many weights, the first ones, may not be negative; few enough that every set of them
            can be tried.
    """
    rows, targets = [], []
    for n_classes in _COUNTS:
        grid = _grid(n_classes)
        other, label = function_slopes([known(n_classes)])(grid)[0]
        for flag, slopes, weight in ((False, other, n_classes**0.75), (True, label, 1.0)):
            rows.append(weight * columns(grid, flag, n_classes))
            targets.append(weight * slopes)
    matrix, wanted = torch.cat(rows), torch.cat(targets)
    if not not_negative:
        return _least_squares(matrix, wanted)[0]
    best, least = torch.zeros_like(matrix[0]), math.inf
    for signs in itertools.product((False, True), repeat=not_negative):
        active = torch.tensor([*signs, *[True] * (matrix.shape[1] - not_negative)])
        weights, misfit = _least_squares(matrix[:, active], wanted)
        if misfit < least and any(signs) and bool((weights[: sum(signs)] >= 0).all()):
            best, least = torch.zeros_like(matrix[0]).masked_scatter(active, weights), misfit
    return best


def _least_squares(matrix: Tensor, wanted: Tensor) -> tuple[Tensor, float]:
    """Weights and sum of squared errors."""
    # By the decomposition that bears columns which are nearly the same.
    found = torch.linalg.lstsq(matrix, wanted[:, None], driver="gelsd").solution.squeeze(1)
    return found, float((matrix @ found - wanted).square().sum())


def _grid(n_classes: int) -> Tensor:
    """Log-probabilities that matter at a class count: near 1, around uniform, and the tail."""
    near = torch.log1p(-torch.logspace(-4, -0.3, _POINTS // 3, dtype=torch.float64))
    middle = torch.linspace(-0.7, -math.log(n_classes) - 4, _POINTS // 3, dtype=torch.float64)
    tail = torch.linspace(
        -math.log(n_classes) - 4, max(LOG_P_FLOOR, -35.0), _POINTS // 6, dtype=torch.float64
    )
    return torch.cat([near, middle, tail])


def _wanted(known: SlopesByCount, n_classes: int) -> tuple[Tensor, Tensor]:
    """Grid and slopes of the known loss, scaled to canonical form: ``(M,)`` and ``(2, M)``."""
    slopes = function_slopes([known(n_classes)])
    other, label = slopes(torch.tensor([-math.log(n_classes)], dtype=torch.float64))[0]
    grid = _grid(n_classes)
    return grid, slopes(grid)[0] / (other - label)


def _misfit(network: LossNetwork, params: Tensor, n_classes: int, grid: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error of the network's own slopes; those of the many other classes count more."""
    error = network.slopes(params[None], n_classes, canonical=False)(grid)[0] - wanted
    weights = error.new_tensor([n_classes**0.75, 1.0])[:, None]
    return (weights * error).square().mean()
