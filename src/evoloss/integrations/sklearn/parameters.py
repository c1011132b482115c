"""Checks of what ``EvolvedClassifier`` is given, and its loss, device and split."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evoloss.errors import ConfigError

_RANGES: list[tuple[str, str, Callable[[Any], bool]]] = [
    ("learning_rate", "above 0", lambda value: 0 < value < math.inf),
    ("weight_decay", "of at least 0", lambda value: 0 <= value < math.inf),
    ("validation_fraction", "between 0 and 1", lambda value: 0 < value < 1),
]


def check_parameters(given: Mapping[str, Any]) -> None:
    """Check the parameters of a classifier, all but loss and module.

    Raises:
        ConfigError: if one is out of its range.
    """
    for name in ("max_iter", "n_iter_no_change", "batch_size"):
        value = given[name]
        if not (name == "batch_size" and value == "auto") and not _counts(value):
            more = ' or "auto"' if name == "batch_size" else ""
            raise ConfigError(f"{name} must be a whole number of at least 1{more}, got {value!r}")
    for name, said, fits in _RANGES:
        value = given[name]
        if not (isinstance(value, Real) and fits(value)):
            raise ConfigError(f"{name} must be a number {said}, got {value!r}")
    if given["optimizer"] not in ("adamw", "sgd"):
        raise ConfigError(f"optimizer must be 'adamw' or 'sgd', got {given['optimizer']!r}")
    hidden_sizes(given["hidden_layer_sizes"])
    check_device(given["device"])


def hidden_sizes(given: Any) -> list[int]:
    """Units of the hidden layers; one number is one layer.

    Raises:
        ConfigError: if one is no whole number of at least 1.
    """
    sizes: list[Any] = list(given) if np.iterable(given) else [given]
    if not all(_counts(size) for size in sizes):
        raise ConfigError(
            f"hidden_layer_sizes must be whole numbers of at least 1, one a layer, got {given!r}"
        )
    return [int(size) for size in sizes]


def check_device(given: Any) -> None:
    """Check that a device is there.

    Raises:
        ConfigError: if it is not.
    """
    try:
        torch.empty(1, dtype=torch.float32, device=given).cpu()
    except (AssertionError, RuntimeError, NotImplementedError, TypeError) as error:
        raise ConfigError(f"device {given!r} cannot be used here: {str(error).splitlines()[0]}") from error


def strata(y: NDArray[Any], share: float) -> NDArray[Any] | None:
    """The labels to split by, or None where a part would have no place for a sample of each class."""
    counts = np.unique(y, return_counts=True)[1]
    held = math.ceil(share * len(y))
    return y if counts.min() > 1 and min(held, len(y) - held) >= len(counts) else None


def is_same(loss: Any, before: Any) -> bool:
    """True if a loss is the one before: the same object, or the same name."""
    return loss is before or (isinstance(loss, str) and isinstance(before, str) and loss == before)


def _counts(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, (int, np.integer)) and int(value) >= 1
