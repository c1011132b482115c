"""Scores, labels and weights of a boosting library, as tensors."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoloss.errors import ConfigError

Floats = NDArray[np.floating[Any]]


@runtime_checkable
class LabelledData(Protocol):
    """A data set of a library, such as ``xgboost.DMatrix`` and ``lightgbm.Dataset``."""

    def get_label(self) -> Any:
        """Labels, one a row."""

    def get_weight(self) -> Any:
        """Weights, one a row, or nothing."""


class Call(NamedTuple):
    """The arguments of a call of an objective or a metric.

    Attributes:
        margins: scores before the softmax, ``(N, C)``, or ``(N,)`` the log-odds of class 1 of two.
        labels: of the rows, ``(N,)``.
        weight: of the rows, ``(N,)``, or None.
    """

    margins: Floats
    labels: Floats
    weight: Floats | None


def read_call(first: Any, second: Any, weight: Any = None) -> Call:
    """Tell the two ways of calling apart: ``(margins, data)``, and scikit-learn's ``(labels, margins)``."""
    if isinstance(second, LabelledData):
        margins, labels, weight = first, second.get_label(), second.get_weight()
    else:
        margins, labels = second, first
    if weight is not None and not np.size(weight):  # XGBoost's way to say that there is none
        weight = None
    told = None if weight is None else np.asarray(weight, dtype=np.float64).reshape(-1)
    return Call(_floats(margins), np.asarray(labels).reshape(-1), told)


def _floats(margins: Any) -> Floats:
    array = np.asarray(margins)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def logits_of(margins: Floats, n_classes: int) -> Tensor:
    """The logits ``(N, C)``; those of a single log-odds z are 0 and z.

    Raises:
        ConfigError: if the margins have another shape than the class count wants, or one is not finite.
    """
    finite = np.isfinite(margins)
    if not finite.all():
        raise ConfigError(
            f"a score of row {int(np.argwhere(~finite)[0][0])} is {margins[~finite][0]}; expected finite "
            "numbers: see to base_margin or init_score, and to the learning rate"
        )
    if margins.ndim == 2 and margins.shape[1] == n_classes:
        return torch.from_numpy(np.ascontiguousarray(margins))
    if n_classes == 2 and margins.ndim <= 2 and margins.size == len(margins):
        odds = torch.from_numpy(np.ascontiguousarray(margins.reshape(-1)))
        return torch.stack([torch.zeros_like(odds), odds], dim=1)
    raise ConfigError(
        f"the library hands over scores of shape {margins.shape}; expected (samples, {n_classes})"
        + (" or (samples,)" if n_classes == 2 else "")
        + f": it was made for {n_classes} classes, and the library has to be told of as many "
        f"(num_class={n_classes}" + (", or none for two classes)" if n_classes == 2 else ")")
    )


def labels_of(labels: Floats, n_classes: int, n_rows: int) -> Tensor:
    """The labels as class indices, int64, ``(N,)``.

    Raises:
        ConfigError: if one is no class, or there are not as many as rows.
    """
    if n_rows and not len(labels):
        raise ConfigError(f"the data set of {n_rows:,} rows has no labels; give it some, one class a row")
    if len(labels) != n_rows:
        raise ConfigError(f"there are {len(labels):,} labels for {n_rows:,} rows of scores")
    values = np.asarray(labels, dtype=np.float64)
    wrong = ~((values >= 0) & (values < n_classes) & (values == np.floor(values)))
    if wrong.any():
        raise ConfigError(
            f"label {values[wrong][0]:g} of row {int(np.flatnonzero(wrong)[0])}; expected classes as whole "
            f"numbers from 0 to {n_classes - 1} (sklearn.preprocessing.LabelEncoder makes them)"
        )
    return torch.from_numpy(values.astype(np.int64))


def weights_of(weight: Floats | None, n_rows: int) -> Tensor | None:
    """The weights as a tensor, ``(N,)``.

    Raises:
        ConfigError: if there are not as many as rows, one is below 0 or not finite, or all are 0.
    """
    if weight is None:
        return None
    if len(weight) != n_rows:
        raise ConfigError(f"there are {len(weight):,} sample weights for {n_rows:,} rows of scores")
    if not ((weight >= 0) & np.isfinite(weight)).all():
        raise ConfigError("sample weights must be numbers of at least 0, and finite")
    if n_rows and not weight.any():
        raise ConfigError("all sample weights are 0, so that there is nothing to learn from")
    return torch.from_numpy(np.ascontiguousarray(weight))
