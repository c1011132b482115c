"""The place of each sample in the user's own files, so that a person can look at it and correct its label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

if TYPE_CHECKING:
    from evoloss.data.tables.columns import Column

MOST_COLUMNS = 20
"""Columns of a table that are shown for a sample."""


class SampleDetails(Protocol):
    """A function that tells of a sample what a person knows it by: its file, or its row and cells."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what it tells."""

    def __call__(self, index: int, /) -> tuple[str, ...]:
        """Return one text for each column, of the sample at a place of the part that was read."""


@dataclass(frozen=True)
class ImageFiles:
    """The files of images, in the order in which they were read.

    Attributes:
        paths: relative to the folder, with forward slashes.
    """

    paths: Sequence[str]

    @property
    def columns(self) -> tuple[str, ...]:
        """One, the file."""
        return ("file",)

    def __call__(self, index: int) -> tuple[str, ...]:
        """Return the path of an image."""
        return (self.paths[index],)


@dataclass(frozen=True)
class TableRows:
    """The rows of a table that have a label.

    Attributes:
        rows: their places in the file; the row below the names is 1.
        read: the columns that are learned from.
        values: numbers, or codes of categories, ``(N, columns)``; NaN where one is missing.
    """

    rows: npt.NDArray[np.int64]
    read: tuple[Column, ...]
    values: npt.NDArray[Any]

    @property
    def columns(self) -> tuple[str, ...]:
        """The row, and the first columns with ``feature_`` before their names."""
        return ("row", *(f"feature_{column.name}" for column in self.read[:MOST_COLUMNS]))

    def __call__(self, index: int) -> tuple[str, ...]:
        """Return the row and its cells, empty where a value is missing."""
        cells = zip(self.read[:MOST_COLUMNS], self.values[index].tolist(), strict=False)
        return (str(self.rows[index]), *(_cell(column, value) for column, value in cells))


def _cell(column: Column, value: float) -> str:
    if np.isnan(value):
        return ""
    return f"{value:.10g}" if column.categories is None else column.categories[int(value)]


@dataclass(frozen=True)
class Origin:
    """The samples of a data set as they were found.

    Attributes:
        train: place of each training sample in the part that it was read in, from 0, ``(N,)``.
        test: likewise of each test sample.
        reference: the data set's own labels of the training samples, ``(N,)``, where others of a file are
            trained with.
        details: tells more of the samples of the part that the training split is from; None where there is
            no more to say than their place.
    """

    train: Tensor
    test: Tensor
    reference: Tensor | None = None
    details: SampleDetails | None = None
