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
    """A function that tells where a sample is, and what a person knows it by: its file, or its cells."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what it tells."""

    def __call__(self, index: int, /) -> tuple[str, ...]:
        """Return one text for each column, of the sample at a place of the part that was read."""

    def where(self, index: int, /) -> str:
        """Return where that sample is, in the words of the user's own file, folder or program."""


@dataclass(frozen=True)
class ArrayPlaces:
    """The samples of an array or a list, known by their index alone.

    Attributes:
        of: name of the file or function.
        array: name of the array in it, such as ``x_train``.

    Example:
        >>> ArrayPlaces("own.npz", "x_train").where(12)
        'own.npz, x_train[12]'
    """

    of: str
    array: str

    @property
    def columns(self) -> tuple[str, ...]:
        """None: the index says it all."""
        return ()

    def __call__(self, index: int) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def where(self, index: int) -> str:
        """Return the index behind the name of the array."""
        return f"{self.of}, {self.array}[{index}]"


@dataclass(frozen=True)
class ImageFiles:
    """The files of images, in the order in which they were read.

    Attributes:
        folder: name of the folder.
        paths: relative to the folder, with forward slashes.

    Example:
        >>> ImageFiles("photos", ["cat/1.png", "dog/2.png"]).where(1)
        'photos/dog/2.png'
    """

    folder: str
    paths: Sequence[str]

    @property
    def columns(self) -> tuple[str, ...]:
        """One, the file."""
        return ("file",)

    def __call__(self, index: int) -> tuple[str, ...]:
        """Return the path of an image."""
        return (self.paths[index],)

    def where(self, index: int) -> str:
        """Return the path of an image, from the name of the folder on."""
        return f"{self.folder}/{self.paths[index]}"


@dataclass(frozen=True)
class TableRows:
    """The rows of a table that have a label.

    Attributes:
        file: name of the file.
        rows: their places among the samples of the file; the first one is 1.
        sheet_rows: their places as a spreadsheet shows them, where the names are row 1 and empty lines count.
        read: the columns that are learned from.
        values: numbers, or codes of categories, ``(N, columns)``; NaN where one is missing.
    """

    file: str
    rows: npt.NDArray[np.int64]
    sheet_rows: npt.NDArray[np.int64]
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

    def where(self, index: int) -> str:
        """Return the file and the row as a spreadsheet shows it."""
        return f"{self.file}, row {self.sheet_rows[index]}"


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
        details: tells more of the samples of the part that the training split is from; None where they
            are in no file of the user's own.
    """

    train: Tensor
    test: Tensor
    reference: Tensor | None = None
    details: SampleDetails | None = None
