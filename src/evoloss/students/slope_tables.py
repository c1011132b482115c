r"""The derivative of classwise losses as tables, so that students are trained without autograd.

The two slopes of a classwise loss (:mod:`evoloss.networks.slopes`) are functions of one number. Each is
tabulated in cells of log p and is linear within a cell, ``h = intercept + gradient * log p``: two look-ups,
one multiplication, one addition. The cells are those of a floating-point number: with
``t = 1 + 63 * log p / LOG_P_FLOOR``, from 1 at p = 1 to 64 at the floor, the cell is the exponent of t and
the first bits of its mantissa, read off by shifting its bit pattern. That costs what a uniform grid in log p
does, and is fine where p is near 1, where the slopes bend: of as many uniform cells the first would be ten
times as wide. ``resolution`` bits give 2**resolution cells from t to 2 t; one more cell, in which the slopes
are constant, stands for everything below the floor. Between nodes d apart the error is at most
``d**2 / 8 * max |h''|``; :func:`slope_error` measures it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.networks import (
    LOG_P_FLOOR,
    LossNetwork,
    SlopeFunctions,
    Slopes,
    States,
    Tempering,
    function_slopes,
)

DEFAULT_RESOLUTION = 7  # bits; one more takes an eighth more time to look up and quarters the error
MAX_RESOLUTION = 12
CHEBYSHEV_POINTS = 96
_OCTAVES = 6  # t runs from 1 to 2**6
_BITS = {torch.float32: (torch.int32, 23, 127), torch.float64: (torch.int64, 52, 1023)}
_SCALE = (2**_OCTAVES - 1) / LOG_P_FLOOR  # of log p in t, negative


@dataclass(frozen=True)
class SlopeTables:
    """The tabulated slopes of a population of classwise losses.

    Attributes:
        intercepts: shape ``(popsize, 2, n_cells)``; other classes first, then the label.
        gradients: likewise.
        exists: which candidates can be trained with, shape ``(popsize,)``; the rest have zeros.
        n_classes: the class count that they are meant for.
        resolution: bits of the mantissa that tell cells apart.
        tempering: how the exponent t of each candidate follows predictions, ``(popsize, 1)`` each, if slopes
            are functions of ``t log p`` (:mod:`evoloss.networks.tempering`); None is t = 1 for all.
        states: what students remember of a training (:mod:`evoloss.networks.states`), if losses follow it.
        scale: by what the losses have been multiplied; what they cost by their states has to be, too.
        only_labels: whether the slopes of other classes are known to be 0, whatever the candidate.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> losses = [LOSSES[name]().slopes(10) for name in ("cross_entropy", "gce")]
        >>> tables = tabulate_functions(losses, 10, like=torch.zeros(()))
        >>> tables.exists
        tensor([True, True])
    """

    intercepts: Tensor
    gradients: Tensor
    exists: Tensor
    n_classes: int
    resolution: int
    tempering: Tempering | None = None
    states: States | None = None
    scale: float = 1.0
    only_labels: bool = False

    def __len__(self) -> int:
        return len(self.exists)

    def __getitem__(self, candidates: Tensor | slice) -> SlopeTables:
        """The tables of some candidates."""
        return replace(
            self,
            intercepts=self.intercepts[candidates],
            gradients=self.gradients[candidates],
            exists=self.exists[candidates],
            **self._changed(lambda entry: entry[candidates]),
        )

    def to(self, dtype: torch.dtype, device: torch.device | str | None = None) -> SlopeTables:
        """The same tables in another dtype and on another device."""
        return replace(
            self,
            intercepts=self.intercepts.to(dtype=dtype, device=device),
            gradients=self.gradients.to(dtype=dtype, device=device),
            exists=self.exists.to(device=device),
            **self._changed(lambda entry: entry.to(dtype=dtype, device=device)),
        )

    def times(self, factor: float) -> SlopeTables:
        """The tables of multiples of these losses."""
        intercepts, gradients = (part * factor for part in (self.intercepts, self.gradients))
        return replace(self, intercepts=intercepts, gradients=gradients, scale=self.scale * factor)

    def _changed(self, change: Callable[[Tensor], Tensor]) -> dict[str, Any]:
        """Tempering and states with every tensor changed."""
        return {
            "tempering": None if self.tempering is None else self.tempering.map(change),
            "states": None if self.states is None else self.states.map(change),
        }

    def lookup(self, log_p: Tensor) -> Tensor:
        """Both slopes at (tempered) log-probabilities ``(M,)``, ``-inf`` allowed, ``(popsize, 2, M)``."""
        log_p = log_p.clamp(min=2 * LOG_P_FLOOR)  # -inf times the gradient 0 would be NaN
        cells = Cells(self.resolution, log_p.dtype, log_p.device)
        cell = cells.locate(log_p, torch.empty_like(log_p)).long() - cells.first
        return torch.addcmul(self.intercepts[:, :, cell], self.gradients[:, :, cell], log_p)


def smooth_slopes(slopes: Slopes, n_points: int = CHEBYSHEV_POINTS) -> Slopes:
    """The same slopes, asked for at a few Chebyshev points and below the floor only.

    In between is the polynomial through them in log t (Berrut and Trefethen 2004, "Barycentric Lagrange
    interpolation"), which for networks, whose slopes are analytic, is far closer than the table will be.
    """

    def smooth(log_p: Tensor) -> Tensor:
        order = torch.arange(n_points, dtype=torch.float64, device=log_p.device)
        points = (1 - torch.cos(math.pi * order / (n_points - 1))) * (_OCTAVES / 2)
        weights = (-1.0) ** order
        weights[[0, -1]] /= 2
        place = torch.log2((1 + _SCALE * log_p.double()).clamp(1, 2**_OCTAVES))
        distance = place[:, None] - points
        # At a point itself the fraction is infinite; any distance that is nothing beside the others will do.
        shares = weights / torch.where(distance.abs() < 1e-14, 1e-14, distance)
        shares /= shares.sum(dim=1, keepdim=True)
        at = (torch.exp2(points) - 1) / _SCALE
        at[-1] = LOG_P_FLOOR
        known = slopes(torch.cat([at, at[-1:] * 2]).to(log_p.dtype))
        inside = (known[:, :, :-1].double() @ shares.T).to(log_p.dtype)
        return torch.where(log_p < LOG_P_FLOOR, known[:, :, -1:], inside)

    return smooth


def tabulate_slopes(
    slopes: Slopes,
    n_classes: int,
    *,
    like: Tensor,
    exists: Tensor | None = None,
    resolution: int = DEFAULT_RESOLUTION,
) -> SlopeTables:
    """Tabulate the slopes of a population.

    Args:
        slopes: such as those of a network or of :func:`evoloss.networks.function_slopes`.
        n_classes: the class count that they are meant for.
        like: gives the dtype and the device in which the slopes are asked for and kept.
        exists: candidates to train with, ``(popsize,)``; those whose slopes are not finite are left out too.
        resolution: bits, from 1 to ``MAX_RESOLUTION``.

    Raises:
        ConfigError: if the resolution is out of range or the dtype is neither float32 nor float64.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> from evoloss.networks import function_slopes
        >>> tabulate_slopes(function_slopes([LOSSES["gce"]().slopes(10)]), 10, like=torch.zeros(())).n_classes
        10
    """
    if not 1 <= resolution <= MAX_RESOLUTION:
        raise ConfigError(f"resolution must be from 1 to {MAX_RESOLUTION} bits, got {resolution}")
    _check_dtype(like.dtype)
    nodes = _nodes(resolution).to(like.device)
    # The last is below the floor, where the slopes are constant.
    at = slopes(torch.cat([nodes, nodes[-1:] * 2]).to(like.dtype)).double()
    usable = at.isfinite().flatten(1).all(dim=1) & (True if exists is None else exists)
    at = torch.where(usable[:, None, None], at, 0.0)
    inside, below = at[:, :, :-1], at[:, :, -1:]
    gradients = inside.diff(dim=2) / nodes.diff()
    intercepts = inside[:, :, :-1] - gradients * nodes[:-1]
    return SlopeTables(
        torch.cat([intercepts, below], dim=2).to(like.dtype),
        torch.cat([gradients, torch.zeros_like(below)], dim=2).to(like.dtype),
        usable,
        n_classes,
        resolution,
        only_labels=not at[:, 0].any(),
    )


def tabulate_network(
    network: LossNetwork,
    params: Tensor,
    n_classes: int,
    *,
    resolution: int = DEFAULT_RESOLUTION,
) -> SlopeTables:
    """Tabulate candidates ``(popsize, n_params)`` in canonical form; those without one do not ``exist``.

    Example:
        >>> from evoloss.networks import NETWORKS
        >>> network = NETWORKS["mixture"]()
        >>> params = torch.randn(8, network.n_params, generator=torch.Generator().manual_seed(0))
        >>> tabulate_network(network, params, 10).exists.shape
        torch.Size([8])
    """
    exists = network.form(params, n_classes).exists
    slopes = network.slopes(params, n_classes)
    if network.interpolates_slopes:
        slopes = smooth_slopes(slopes)
    tables = tabulate_slopes(slopes, n_classes, like=params, exists=exists, resolution=resolution)
    return replace(tables, tempering=network.tempering(params), states=network.states(params, n_classes))


def tabulate_functions(
    losses: Sequence[SlopeFunctions],
    n_classes: int,
    *,
    like: Tensor,
    canonical: bool = False,
    resolution: int = DEFAULT_RESOLUTION,
) -> SlopeTables:
    """Tabulate losses that are given as two functions of log p each.

    Args:
        losses: the slopes of other classes and of the label; they go on below the floor as they are there.
        n_classes: the class count.
        like: gives dtype and device.
        canonical: scale each so that at the uniform prediction its gradient is cross-entropy's; one whose
            gradient there does not point down does not ``exist``.
        resolution: bits.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> tabulate_functions([LOSSES["gce"]().slopes(10)], 10, like=torch.zeros(()), canonical=True).exists
        tensor([True])
    """
    slopes = function_slopes(losses)
    if not canonical:
        return tabulate_slopes(slopes, n_classes, like=like, resolution=resolution)
    other, label = slopes(like.new_full((1,), -math.log(n_classes))).unbind(1)
    gap = (other - label)[:, :, None]
    good = (gap > 0) & gap.isfinite()
    scale = torch.where(good, 1 / gap, 0.0)
    return tabulate_slopes(
        lambda log_p: slopes(log_p) * scale,
        n_classes,
        like=like,
        exists=good.flatten(),
        resolution=resolution,
    )


def slope_error(tables: SlopeTables, slopes: Slopes, n_points: int = 16384) -> Tensor:
    """The largest absolute error of either slope for each candidate, shape ``(popsize,)``.

    Measured against ``slopes`` at ``n_points`` log-probabilities from 0 to the floor, spaced as the cells.
    An error e of the slopes is at most ``e * (1 + (n_classes - 2) * p_j)`` in the logit gradient of class j.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> from evoloss.networks import function_slopes
        >>> losses = [LOSSES["gce"]().slopes(10)]
        >>> tables = tabulate_functions(losses, 10, like=torch.zeros(()))
        >>> slope_error(tables, function_slopes(losses)).item() < 1e-3
        True
    """
    octaves = torch.linspace(0, _OCTAVES, n_points + 1, dtype=torch.float64, device=tables.exists.device)
    log_p = ((torch.exp2(octaves[:-1]) - 1) / _SCALE).to(tables.intercepts.dtype)
    return (tables.lookup(log_p) - slopes(log_p)).abs().flatten(1).amax(dim=1)


class Cells:
    """Finds the cells of log-probabilities.

    Args:
        resolution: bits.
        dtype: of the log-probabilities, float32 or float64.
        device: where they are.

    Attributes:
        first: the number of the cell at p = 1; the last one, below the floor, is ``n_cells`` - 1 further on.
    """

    def __init__(self, resolution: int, dtype: torch.dtype, device: torch.device) -> None:
        _check_dtype(dtype)
        self.integer, mantissa, bias = _BITS[dtype]
        self.first = bias << resolution  # the bits of 1.0, shifted
        self.last = self.first + n_cells(resolution) - 1
        # Tensors: with Python numbers the same operations take up to twice as long.
        self.one = torch.ones((), dtype=dtype, device=device)
        self.shift = torch.full((), mantissa - resolution, dtype=self.integer, device=device)

    def locate(self, log_p: Tensor, place: Tensor) -> Tensor:
        """The cells of log-probabilities of any shape, from ``first`` to ``last``; NaN has one too.

        Args:
            log_p: log-probabilities.
            place: memory of the same shape and dtype, overwritten; the result is a view of it.

        Returns:
            Integers as wide as the floating-point numbers.
        """
        torch.add(self.one, log_p, alpha=_SCALE, out=place)
        cell = place.view(self.integer)
        torch.bitwise_right_shift(cell, self.shift, out=cell)
        # NaN and infinity, too, come to lie inside: their bits are those of very large numbers.
        return cell.clamp_(self.first, self.last)


def n_cells(resolution: int) -> int:
    """Cells of a table."""
    return (_OCTAVES << resolution) + 1


def _check_dtype(dtype: torch.dtype) -> None:
    if dtype not in _BITS:
        raise ConfigError(f"students are trained in float32 or float64, got {dtype}")


def _nodes(resolution: int) -> Tensor:
    """Log-probabilities between the cells, from 0 down to the floor, float64."""
    count = 2**resolution
    t = torch.cat([2.0**octave * (1 + torch.arange(count).double() / count) for octave in range(_OCTAVES)])
    nodes = (t - 1) / _SCALE
    nodes[0] = 0.0
    return torch.cat([nodes, torch.tensor([LOG_P_FLOOR], dtype=torch.float64)])
