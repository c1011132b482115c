"""Columns of a table, told apart by their cells: numbers, categories, or nothing to learn from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evoloss.errors import DataError
from evoloss.safe_text import one_line, quoted

Cells = npt.NDArray[Any]
"""Cells of a column, ``(N,)`` objects: text without spaces around it, or None where the value is missing."""

MISSING = frozenset({"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "?"})
"""Cells that count as missing."""
MOST_CATEGORIES = 255
"""Different texts that a column of categories may have."""
_FEW_CATEGORIES = 20  # up to here, text among numbers is one more category: 1, 2, 3, 4+
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?", re.ASCII | re.DOTALL)
_COMMA = re.compile(r"[+-]?\d+(,\d+)+([eE][+-]?\d+)?", re.ASCII)
_SHOWN = 10


@dataclass(frozen=True)
class Column:
    """A column to learn from.

    Attributes:
        name: its name in the table.
        categories: the texts that its codes 0, 1, ... stand for; None for numbers.
    """

    name: str
    categories: tuple[str, ...] | None = None


def read_column(path: Path, name: str, cells: Cells) -> tuple[Column, npt.NDArray[np.float64]] | str:
    """Read a column as numbers, else as categories.

    Args:
        path: the file, for the errors.
        name: name of the column.
        cells: its cells.

    Returns:
        The column and its values, float64 ``(N,)``, NaN where one is missing: numbers, or codes of
        categories. Or the reason why there is nothing to learn from, as half a sentence.

    Raises:
        DataError: if it holds infinite numbers, numbers with other text among them, or numbers with commas.
    """
    numbers, others = as_numbers(cells)
    if not len(others):
        infinite = np.flatnonzero(np.isinf(numbers))
        if len(infinite):
            raise DataError(
                f"{path}: column {quoted(name)} holds {quoted(cells[infinite[0]])} in row "
                f"{infinite[0] + 1}; expected finite numbers. Correct the cell, or leave it empty"
            )
        return "it counts the rows" if _counts_rows(numbers) else (Column(name), numbers)
    return _categories(path, name, cells, others)


def as_numbers(cells: Cells) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the numbers, NaN where there is none, and the rows with text that is no number."""
    numbers = np.full(len(cells), np.nan)
    others = []
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        try:
            numbers[row] = float("_" if "_" in cell else cell)  # Python would read 1_000
        except ValueError:
            others.append(row)
    return numbers, np.array(others, dtype=np.int64)


def too_many_values(n_values: int, n_rows: int) -> bool:
    """Return whether values are names, identifiers or measurements rather than classes or categories."""
    return n_values > max(n_rows / 2, 3)


def listed(names: Sequence[str], shown: int = _SHOWN) -> str:
    """Return the first names, and how many there are more."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(one_line(name, 40) for name in names[:shown]) + more


def _categories(
    path: Path, name: str, cells: Cells, others: npt.NDArray[np.int64]
) -> tuple[Column, npt.NDArray[np.float64]] | str:
    present = np.array([cell is not None for cell in cells])
    texts = cells[present]
    values = sorted(set(texts))
    if all(_DATE.fullmatch(text) for text in values):
        return "it holds dates; give what matters of them, such as the month, a column of numbers"
    too_many = too_many_values(len(values), len(texts)) or len(values) > MOST_CATEGORIES
    if 2 * len(others) <= len(texts) and (too_many or len(values) > _FEW_CATEGORIES):
        found = ", ".join(f"{quoted(cells[row])} in row {row + 1}" for row in others[:3].tolist())
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise DataError(
            f"{path}: column {quoted(name)} holds numbers, and other text in {len(others)} of {len(texts)} "
            f"cells ({found}{more}; the row below the names is 1); expected numbers alone, with a decimal "
            "point. Correct these cells, or leave them empty if the values are not known"
        )
    with_comma = [row for row in others.tolist() if _COMMA.fullmatch(cells[row])]
    if len(with_comma) == len(others) and (too_many or len(values) > _FEW_CATEGORIES):
        raise DataError(
            f"{path}: column {quoted(name)} holds numbers with commas, such as "
            f"{quoted(cells[with_comma[0]])} in row {with_comma[0] + 1}; expected a decimal point, and "
            "nothing between thousands. Save the table so, or leave the column out"
        )
    if too_many:
        return (
            f"it has {len(values):,} different texts in {len(texts):,} rows, more like names or "
            f"sentences than categories, of which there may be {MOST_CATEGORIES}"
        )
    codes = np.full(len(cells), np.nan)
    place = {value: code for code, value in enumerate(values)}
    codes[present] = [place[text] for text in texts]
    return Column(name, tuple(values)), codes


def _counts_rows(numbers: npt.NDArray[np.float64]) -> bool:
    """Return whether the numbers go up by one from row to row, which would tell classes in a sorted table."""
    return len(numbers) > 2 and bool((np.diff(numbers) == 1).all())
