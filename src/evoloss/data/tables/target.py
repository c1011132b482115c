"""The column of labels of a table: found by its name, and turned into class indices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evoloss.data.tables.columns import Cells, as_numbers, listed, too_many_values
from evoloss.errors import ConfigError, DataError, UnknownNameError, did_you_mean
from evoloss.safe_text import quoted

_WHOLE = re.compile(r"(-?(?:0|[1-9]\d{0,17}))(?:\.0*)?", re.ASCII)


@dataclass(frozen=True)
class Target:
    """Labels of the rows that have one.

    Attributes:
        rows: these rows, ascending.
        labels: class indices, int64, one for each of them.
        class_names: names of the classes, in the order of numbers where all are such, else of the alphabet.
    """

    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]


def require_target(path: Path, target: str | None, names: Sequence[str]) -> str:
    """Return the name of the target column.

    Raises:
        ConfigError: if none is named.
        UnknownNameError: if there is none of that name.
    """
    if target is None:
        raise ConfigError(
            f"{path} is a table; name the column of its labels with --target COLUMN (target=...), or behind "
            f"its name, {path.name}:target=COLUMN. Its columns: {listed(names, 30)}"
        )
    if target not in names:
        raise UnknownNameError(
            f"{path} has no column {quoted(target)} to take the labels from.{did_you_mean(target, names)} "
            f"Its columns, by its first line: {listed(names, 30)}"
        )
    return target


def require_ignorable(path: Path, ignored: Sequence[str], target: str, names: Sequence[str]) -> None:
    """Check the names of columns that are to be left out.

    Raises:
        ConfigError: if the target is among them.
        UnknownNameError: if there is no column of a name.
    """
    for name in ignored:
        if name == target:
            raise ConfigError(
                f"{path}: column {quoted(name)} is the target, and cannot be left out (ignore_columns)"
            )
        if name not in names:
            raise UnknownNameError(
                f"{path} has no column {quoted(name)} to leave out.{did_you_mean(name, names)} "
                f"Its columns, by its first line: {listed(names, 30)}"
            )


def read_target(path: Path, name: str, cells: Cells) -> Target:
    """Number the classes.

    Whole numbers are one class however they are written, ``2`` or ``2.0``; all else is text.

    Raises:
        DataError: if there are no labels, one class only, or so many that they are no classes.
    """
    rows = np.flatnonzero([cell is not None for cell in cells])
    texts = [str(cells[row]) for row in rows]
    whole = [_WHOLE.fullmatch(text) for text in texts]
    if all(whole):
        texts = [str(int(found[1])) for found in whole if found is not None]
    names = np.array(sorted(set(texts)), dtype=object)
    numbers, others = as_numbers(names)
    if not len(others):
        names = names[np.argsort(numbers, kind="stable")]
    if len(names) < 2:
        found = f"{quoted(names[0])} in every row" if len(names) else "no value in any row"
        raise DataError(
            f"{path}: the target column {quoted(name)} has {found}; expected at least 2 classes. Is it the "
            "right column?"
        )
    if too_many_values(len(names), len(texts)):
        raise DataError(
            f"{path}: the target column {quoted(name)} has {len(names):,} different values in "
            f"{len(texts):,} rows, such as {listed(list(names), 3)}; those are identifiers or measured "
            "numbers rather than classes, of which each needs several rows. Name another column, or put "
            "ranges of the numbers into classes"
        )
    place = {text: label for label, text in enumerate(names)}
    labels = np.array([place[text] for text in texts], dtype=np.int64)
    return Target(rows.astype(np.int64), labels, tuple(names))
