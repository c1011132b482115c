"""Numbers of a chart as columns and rows, which is short as JSON and easy to write as CSV."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypedDict

from evoloss.compare.keeping.csv_tables import csv_text

Value = str | int | float | bool | None
Cell = Value | list[float | None]


class Numbers(TypedDict):
    """Rows of numbers and the names of their columns."""

    columns: list[str]
    rows: list[list[Cell]]


def numbers(columns: Sequence[str], rows: Iterable[Sequence[Cell]], digits: int | None = None) -> Numbers:
    """Gather rows below their columns.

    Args:
        columns: names.
        rows: as many values each, or lists of them; what is no finite number becomes None.
        digits: significant ones that are kept of floats; None keeps all, as tables do that are compared with
            a results file.

    Example:
        >>> numbers(["loss", "accuracy"], [("gce", 91.23456), ("mae", float("nan"))], digits=4)
        {'columns': ['loss', 'accuracy'], 'rows': [['gce', 91.23], ['mae', None]]}
    """
    return {"columns": list(columns), "rows": [[_cell(value, digits) for value in row] for row in rows]}


def as_csv(table: Numbers) -> str:
    """The rows as CSV with a header, as spreadsheets read it; no cell is taken for a formula."""
    return csv_text(table["columns"], table["rows"], lineterminator="\r\n")


def _cell(value: Cell, digits: int | None) -> Cell:
    if isinstance(value, list):
        return [None if entry is None else _number(entry, digits) for entry in value]
    return _number(value, digits) if isinstance(value, float) else value


def _number(value: float, digits: int | None) -> float | None:
    if not math.isfinite(value):
        return None
    return value if digits is None else float(f"{value:.{digits}g}")
