"""Checks of what users pass to a strategy: its fields, the start point, the fitness."""

from __future__ import annotations

import math

from torch import Tensor

from evoloss.errors import ConfigError


def require_popsize(popsize: int, *, minimum: int = 2, even: bool = False) -> None:
    """Raise ConfigError unless ``popsize`` is a whole number of at least ``minimum`` (and even)."""
    whole = isinstance(popsize, int) and not isinstance(popsize, bool)
    if not whole or popsize < minimum or (even and popsize % 2):
        kind = "an even integer" if even else "an integer"
        reason = " (candidates come in mirrored pairs)" if even else ""
        raise ConfigError(f"popsize must be {kind} of at least {minimum}{reason}, got {popsize!r}")


def require_positive(name: str, value: float) -> None:
    """Raise ConfigError unless ``value`` is a finite number above zero."""
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name} must be finite and above 0, got {value!r}")


def require_between(name: str, value: float, low: float, high: float) -> None:
    """Raise ConfigError unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise ConfigError(f"{name} must lie in [{low}, {high}], got {value!r}")


def require_start(mean: Tensor) -> None:
    """Raise ConfigError unless ``mean`` is a finite floating-point vector on the CPU."""
    if mean.ndim != 1 or mean.numel() == 0 or not mean.is_floating_point():
        raise ConfigError(
            f"mean must be a floating-point vector of shape (n_params,), "
            f"got {mean.dtype} of shape {tuple(mean.shape)}"
        )
    if mean.device.type != "cpu":
        raise ConfigError(f"mean must be on the CPU, where strategies keep their state, got {mean.device}")
    if not bool(mean.isfinite().all()):
        raise ConfigError("mean must be finite, got NaN or infinity in it")


def require_told(candidates: Tensor, fitness: Tensor, popsize: int, n_params: int) -> None:
    """Raise ConfigError unless candidates and fitness have the shapes of one generation."""
    if tuple(candidates.shape) != (popsize, n_params):
        raise ConfigError(
            f"candidates have shape {tuple(candidates.shape)}, "
            f"expected (popsize, n_params) = {(popsize, n_params)}"
        )
    if tuple(fitness.shape) != (popsize,):
        raise ConfigError(
            f"fitness has shape {tuple(fitness.shape)}, expected one value a candidate, {(popsize,)}"
        )
