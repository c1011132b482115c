"""A table of text cells as a data set: the target column, and all others to learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evoloss.data.dataset import LabelledArrays, SourceData
from evoloss.data.limits import DataLimits
from evoloss.data.origin import TableRows
from evoloss.data.tables.columns import Cells, Column, listed, read_column
from evoloss.data.tables.features import fit_features, missing_note
from evoloss.data.tables.target import read_target, require_ignorable, require_target
from evoloss.errors import DataError
from evoloss.safe_text import one_line, quoted


def table_source(
    path: Path,
    table: Mapping[str, Cells],
    target: str | None,
    limits: DataLimits,
    ignored: Sequence[str] = (),
    *,
    sheet_rows: npt.NDArray[np.int64] | None = None,
) -> SourceData:
    """Return the rows with a label as one part; features are fitted once it is split.

    Args:
        path: the file.
        table: cells by the names of the columns, all of one length.
        target: name of the column of labels.
        limits: sizes above which it is refused.
        ignored: names of columns that are left out.
        sheet_rows: row of each sample as a spreadsheet shows the file; None where they follow one another
            from row 2 on.

    Raises:
        ConfigError: if no target is named, or it is to be left out.
        UnknownNameError: if there is no column of a name.
        DataError: if the target has no classes, or the other columns hold nothing to learn from.
    """
    target = require_target(path, target, list(table))
    require_ignorable(path, ignored, target, list(table))
    found = read_target(path, target, table[target])
    n_rows = len(table[target])
    notes = [f"{len(found.rows):,} rows with a label ({one_line(target, 40)})"]
    if n_rows > len(found.rows):
        notes[0] += f"; {n_rows - len(found.rows):,} without one left out"
    if ignored:
        notes.append(f"left out, as asked for: {listed(list(dict.fromkeys(ignored)))}")
    columns: list[Column] = []
    values = []
    for name, cells in table.items():
        if name == target or name in ignored:
            continue
        read = read_column(path, name, cells)
        if isinstance(read, str):
            notes.append(f"left out, column {quoted(name)}: {read}")
        else:
            columns.append(read[0])
            values.append(read[1][found.rows])
    if not columns:
        others = "; ".join(notes[1:]) or "there is no other column"
        raise DataError(
            f"{path}: nothing to learn from beside the target {quoted(target)}: {others}. Add columns of "
            "numbers or categories"
        )
    matrix = np.stack(values, axis=1)
    if sheet_rows is None:
        sheet_rows = np.arange(2, n_rows + 2)
    return SourceData(
        name=path.stem,
        train=LabelledArrays(matrix, found.labels),
        class_names=found.class_names,
        notes=(*notes, *missing_note(columns, matrix)),
        fit=partial(fit_features, path, tuple(columns), limits),
        details=TableRows(path.name, found.rows + 1, sheet_rows[found.rows], tuple(columns), matrix),
    )
