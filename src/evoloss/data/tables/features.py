"""Features from columns, by what the training split alone says: standardised numbers, one-hot categories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evoloss.data.limits import DataLimits
from evoloss.data.tables.columns import Column, listed
from evoloss.errors import DataError
from evoloss.safe_text import one_line, quoted

Values = npt.NDArray[np.float64]

LEAST_ROWS = 2
"""Training rows that a category needs for a feature of its own; rarer ones share one."""


@dataclass(frozen=True)
class NumberFeatures:
    """A column of numbers: ``(x / scale - mean) / deviation``, and whether x was missing.

    Attributes:
        name: of the column.
        scale: largest absolute value in the training split, so that squares do not overflow.
        mean: of the scaled values in the training split.
        deviation: their standard deviation; 0 where all are equal, then there is no feature of the value.
        median: of the values in the training split, for missing ones.
        missing: whether there is a feature, 0 or 1, for missing values.
    """

    name: str
    scale: float
    mean: float
    deviation: float
    median: float
    missing: bool

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.deviation > 0) + int(self.missing)

    def encode(self, path: Path, values: Values, out: npt.NDArray[np.float32]) -> None:
        """Write the features of ``values`` ``(N,)`` to ``out`` ``(N, width)``."""
        absent = np.isnan(values)
        if self.deviation > 0:
            filled = np.where(absent, self.median, values)
            with np.errstate(over="ignore"):  # what overflows is refused
                out[:, 0] = (filled / self.scale - self.mean) / self.deviation
            if not np.isfinite(out[:, 0]).all():
                raise DataError(
                    f"{path}: column {quoted(self.name)} has values in validation or test rows that are "
                    "larger than those of training rows by more than float32 can hold; are they right?"
                )
        if self.missing:
            out[:, -1] = absent


@dataclass(frozen=True)
class CategoryFeatures:
    """A column of categories, one-hot.

    Attributes:
        codes: categories with a feature of their own.
        other: whether there is a feature for all others, rare in the training split or not in it.
        missing: whether there is one for missing values.
    """

    codes: npt.NDArray[np.float64]
    other: bool
    missing: bool

    @property
    def width(self) -> int:
        """Number of features; 0 if only one thing was there, from which nothing can be learned."""
        width = len(self.codes) + int(self.other) + int(self.missing)
        return width if width > 1 else 0

    def encode(self, path: Path, values: Values, out: npt.NDArray[np.float32]) -> None:
        """Write the features of the codes ``values`` ``(N,)`` to ``out`` ``(N, width)``."""
        out[:, : len(self.codes)] = values[:, None] == self.codes
        absent = np.isnan(values)
        if self.other:
            out[:, len(self.codes)] = ~absent & ~np.isin(values, self.codes)
        if self.missing:
            out[:, -1] = absent


@dataclass(frozen=True)
class FeatureEncoder:
    """The encoder of all rows, fitted to the training rows.

    Attributes:
        path: the file, for the errors.
        parts: one for each column; one of width 0 has no features.
        limits: sizes above which the features are refused.
        notes: what was done, in sentences for the user.
    """

    path: Path
    parts: tuple[NumberFeatures | CategoryFeatures, ...]
    limits: DataLimits
    notes: tuple[str, ...]

    def __call__(self, values: Values) -> npt.NDArray[np.float32]:
        """Return the features, float32 ``(N, D)``, of the columns' values ``(N, columns)``."""
        width = sum(part.width for part in self.parts)
        # The features, their copies in the splits, and the values.
        self.limits.require_memory(8 * len(values) * (width + len(self.parts)), str(self.path))
        features = np.empty((len(values), width), np.float32)
        start = 0
        for place, part in enumerate(self.parts):
            if part.width:
                part.encode(self.path, values[:, place], features[:, start : start + part.width])
            start += part.width
        return features


def fit_features(
    path: Path, columns: Sequence[Column], limits: DataLimits, train: npt.NDArray[Any]
) -> FeatureEncoder:
    """Fit the features to the training rows.

    Args:
        path: the file, for the errors.
        columns: what the values are.
        limits: sizes above which the features are refused.
        train: values of the training rows, float64 ``(n, columns)``, NaN where one is missing.

    Raises:
        DataError: if no column has two different values.
    """
    parts = tuple(
        _fit_numbers(column.name, train[:, place])
        if column.categories is None
        else _fit_categories(train[:, place], len(column.categories))
        for place, column in enumerate(columns)
    )
    constant = [column.name for column, part in zip(columns, parts, strict=True) if not part.width]
    if len(constant) == len(columns):
        raise DataError(
            f"{path}: no column but the target has two different values in the {len(train)} training rows; "
            "there is nothing to learn from. Add columns or rows"
        )
    used = [column for column, part in zip(columns, parts, strict=True) if part.width]
    return FeatureEncoder(path, parts, limits, tuple(_notes(used, parts, constant)))


def _notes(
    used: Sequence[Column], parts: Sequence[NumberFeatures | CategoryFeatures], constant: Sequence[str]
) -> list[str]:
    numbers = [column.name for column in used if column.categories is None]
    categories = [column.name for column in used if column.categories is not None]
    notes = []
    if numbers:
        notes.append(
            f"numbers, brought to mean 0 and standard deviation 1 over the training split: {listed(numbers)}"
        )
    if categories:
        notes.append(
            f"categories, a feature of 0 and 1 for each value: {listed(categories)}; values in fewer than "
            f"{LEAST_ROWS} training rows share one, with those that only validation and test rows have"
        )
    if constant:
        notes.append(f"left out, the same in all training rows: {listed(constant)}")
    notes.append(f"features in all: {sum(part.width for part in parts):,}")
    return notes


def _fit_numbers(name: str, values: Values) -> NumberFeatures:
    absent = np.isnan(values)
    present, missing = values[~absent], bool(absent.any())
    if not len(present) or present.min() == present.max():
        # A value and its absence can still be told apart.
        return NumberFeatures(name, 1.0, 0.0, 0.0, 0.0, missing and len(present) > 0)
    scale = float(np.abs(present).max())
    # Exact sums: another machine adds up in another order, and a run is named by the bits of its data.
    scaled = present / scale
    mean = math.fsum(scaled) / len(scaled)
    deviation = math.sqrt(math.fsum((scaled - mean) ** 2) / len(scaled))
    return NumberFeatures(name, scale, mean, deviation, float(np.median(present)), missing)


def _fit_categories(codes: Values, n_categories: int) -> CategoryFeatures:
    absent = np.isnan(codes)
    counts = np.bincount(codes[~absent].astype(np.int64), minlength=n_categories)
    known = np.flatnonzero(counts >= LEAST_ROWS).astype(np.float64)
    return CategoryFeatures(known, bool(((counts > 0) & (counts < LEAST_ROWS)).any()), bool(absent.any()))


def missing_note(columns: Sequence[Column], values: npt.NDArray[Any]) -> list[str]:
    """Say which columns lack values, and what is done about it; nothing where none does."""
    counts = np.isnan(values).sum(axis=0)
    lacking = [(column, int(count)) for column, count in zip(columns, counts, strict=True) if count]
    notes = []
    for kind, told in (
        ("numbers", "the median of the training split, and a feature that says so"),
        ("categories", "a category of their own"),
    ):
        found = [
            f"{one_line(column.name, 40)} {count:,}"
            for column, count in lacking
            if (column.categories is None) == (kind == "numbers")
        ]
        if found:
            notes.append(f"missing {kind} become {told}: {listed(found)}")
    return notes
