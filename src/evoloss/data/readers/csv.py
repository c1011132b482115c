"""A user's own table in one ``.csv`` file: a line of names, and a line a sample."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evoloss.data.dataset import SourceData
from evoloss.data.limits import DataLimits
from evoloss.data.tables.columns import MISSING, Cells, listed
from evoloss.data.tables.pandas_extra import import_pandas
from evoloss.data.tables.source import table_source
from evoloss.errors import DataError
from evoloss.regular_files import read_regular_text
from evoloss.safe_text import one_line

_EMPTY_LINE = re.compile(r"(?:\A|[\r\n])[ \t]*(?:\r|(?<!\r)\n)")
_SEPARATORS = (",", ";", "\t")
_BYTES_A_BYTE = 20  # three characters and a comma become a text of some 50 bytes, a number and features


def load_csv(
    path: Path,
    limits: DataLimits | None = None,
    target: str | None = None,
    ignored: Sequence[str] = (),
) -> SourceData:
    """Read a table in UTF-8 whose first line has the names of its columns.

    Cells are separated by commas, semicolons or tabs, whatever is most frequent in the first line, and may be
    in double quotes; spaces around them do not count, nor do empty lines. What becomes of the columns:
    :mod:`evoloss.data.tables`.

    Args:
        path: the file.
        limits: sizes above which it is refused, unread; see :meth:`~evoloss.data.limits.DataLimits.of`.
        target: name of the column of labels.
        ignored: names of columns that are left out.

    Raises:
        MissingExtraError: if pandas is not installed.
        ConfigError: if no target is named, or it is to be left out.
        UnknownNameError: if there is no column of a name.
        DataError: if the file is missing, damaged or too large, if two columns share a name, or if there are
            no classes or nothing to learn from.
    """
    limits = limits or DataLimits.of()
    pandas = import_pandas("reading a .csv file")
    text = _text(path, limits)
    first = text.lstrip().partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    try:
        frame = pandas.read_csv(
            io.StringIO(text),
            sep=separator,
            header=None,
            dtype=object,
            na_filter=False,
            skipinitialspace=True,
            low_memory=False,
        )
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError) as error:
        if not text.strip():
            raise DataError(f"{path} is empty; expected a line of names and a line a sample") from error
        if "EOF inside string" in str(error):
            raise DataError(
                f"{path} ends inside a cell whose double quote is not closed ({one_line(error, 200)}); "
                "expected quotes in pairs. Close the quote, or is the file cut off?"
            ) from error
        _require_equal_lengths(path, text, separator)
        reason = one_line(error, 200).removeprefix("Error tokenizing data. C error: ")
        raise DataError(
            f"{path} is not a readable table ({reason}); expected cells between {separator!r}, as many in "
            'every line. A cell with a separator in it needs double quotes, as in "a, b"'
        ) from error
    columns = [frame[place].to_numpy(dtype=object) for place in frame]
    if (columns[-1] == "").any():  # as it is where a line ended before its time
        _require_equal_lengths(path, text, separator)
    names = require_names(path, [cells[0] for cells in columns])
    if len(columns[0]) < 2:
        raise DataError(f"{path} has a line of names and no rows; expected a line a sample")
    table = {name: clean_cells(cells[1:]) for name, cells in zip(names, columns, strict=True)}
    return table_source(
        path, table, target, limits, ignored, sheet_rows=_sheet_rows(text, separator, len(columns[0]))
    )


def clean_cells(cells: Cells) -> Cells:
    """Take spaces from around the texts, and put None in the place of missing values."""
    cleaned = cells.copy()
    for row, cell in enumerate(cells):
        text = cell.strip()
        cleaned[row] = None if text in MISSING else text
    return cleaned


def require_names(path: Path, found: Sequence[str]) -> list[str]:
    """Return the names of columns; one without a name, as indices are written, is called by its place.

    Raises:
        DataError: if two are equal.
    """
    names = [name.strip() or f"(column {place})" for place, name in enumerate(found, start=1)]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise DataError(
            f"{path} has several columns named {listed(double)}; expected a name of its own for each. Rename "
            "them in the first line"
        )
    return names


def _text(path: Path, limits: DataLimits) -> str:
    try:
        size = path.stat().st_size
        limits.require_memory(_BYTES_A_BYTE * size, str(path))
        text = read_regular_text(path, size)
    except UnicodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text ({one_line(error, 200)}); save the table as CSV in UTF-8"
        ) from error
    except OSError as error:
        raise DataError(
            f"{path} is not a file that can be read ({error.strerror}); expected a table in CSV"
        ) from error
    if "\0" in text:
        raise DataError(f"{path} holds zero bytes, as no text does; save the table as CSV in UTF-8")
    return text


def _sheet_rows(text: str, separator: str, n_records: int) -> npt.NDArray[np.int64]:
    """Return the row of each sample as a spreadsheet shows it, where empty lines have a row of their own."""
    if _EMPTY_LINE.search(text.rstrip()):
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        with suppress(csv.Error):  # cells that pandas reads, and that are too long here
            rows = [row for row, cells in enumerate(reader, start=1) if not _is_empty(cells)]
            if len(rows) == n_records:
                return np.array(rows[1:], dtype=np.int64)
    return np.arange(2, n_records + 1)


def _is_empty(cells: Sequence[str]) -> bool:
    """Tell whether a line has nothing but spaces, so that pandas passes over it."""
    return len(cells) <= 1 and not "".join(cells).strip()


def _require_equal_lengths(path: Path, text: str, separator: str) -> None:
    """Refuse a line with more or fewer cells than the first; pandas would fill those up that are short."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    expected = 0
    try:
        for cells in reader:
            expected = expected or (0 if _is_empty(cells) else len(cells))
            if len(cells) != expected and not _is_empty(cells):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(cells)} cells between {separator!r}, and "
                    f"{expected} in the first line; expected as many. Leave a cell empty where a value is "
                    'missing, and put one with a separator in it in double quotes, as in "a, b"'
                )
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: {one_line(error, 200)}; correct the line"
        ) from error
