"""A user's own table in one ``.parquet`` file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoloss.data.dataset import SourceData
from evoloss.data.limits import DataLimits
from evoloss.data.readers.csv import clean_cells, require_names
from evoloss.data.tables.pandas_extra import import_pandas
from evoloss.data.tables.source import table_source
from evoloss.errors import DataError, MissingExtraError
from evoloss.regular_files import open_regular
from evoloss.safe_text import one_line

_BYTES_A_CELL = 120  # as it is stored, as text, as a number and its features


def load_parquet(
    path: Path,
    limits: DataLimits | None = None,
    target: str | None = None,
    ignored: Sequence[str] = (),
) -> SourceData:
    """Read a table; its cells are taken as the same table in CSV would have them.

    Args:
        path: the file.
        limits: sizes above which it is refused, by its header; see
            :meth:`~evoloss.data.limits.DataLimits.of`.
        target: name of the column of labels.
        ignored: names of columns that are left out.

    Raises:
        MissingExtraError: if pandas or pyarrow is not installed.
        ConfigError: if no target is named, or it is to be left out.
        UnknownNameError: if there is no column of a name.
        DataError: if the file is missing, damaged or too large, if two columns share a name, or if there are
            no classes or nothing to learn from.
    """
    limits = limits or DataLimits.of()
    import_pandas("reading a .parquet file")
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(
            "reading a .parquet file needs pyarrow, which is not installed: pip install 'pyarrow>=14.0.1', "
            "or save the table as .csv"
        ) from error
    try:
        with open_regular(path) as file:
            stored = parquet.ParquetFile(file)
            limits.require_memory(_size(stored.metadata), str(path))
            # Without what pandas noted for itself, such as an index.
            frame = stored.read().replace_schema_metadata(None).to_pandas()
    except DataError:
        raise
    except OSError as error:
        raise DataError(
            f"{path} is not a file that can be read ({one_line(error.strerror or error, 200)}); expected a "
            "table in Parquet"
        ) from error
    except Exception as error:  # pyarrow raises many kinds for damaged files
        raise DataError(
            f"{path} is not a readable Parquet file ({one_line(error, 200)}); it is damaged or another kind "
            "of file. Write it again"
        ) from error
    names = require_names(path, [str(name) for name in frame.columns])
    if not len(frame):
        raise DataError(f"{path} has columns and no rows; expected a row a sample")
    table = {name: clean_cells(_as_text(frame.iloc[:, place])) for place, name in enumerate(names)}
    return table_source(path, table, target, limits, ignored)


def _size(metadata: Any) -> int:
    groups = (metadata.row_group(place) for place in range(metadata.num_row_groups))
    unpacked = sum(max(0, group.total_byte_size) for group in groups)
    return int(_BYTES_A_CELL * metadata.num_rows * metadata.num_columns + 2 * unpacked)


def _as_text(column: Any) -> np.ndarray[Any, np.dtype[Any]]:
    absent = column.isna().to_numpy(dtype=bool)
    values = column.to_numpy(dtype=object)
    cells = ["" if gone else str(value) for value, gone in zip(values, absent, strict=True)]
    return np.array(cells, dtype=object)
