"""Tables of r-cran-mlbench that no choice about losses for trees has seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.tabular.tables import EXTRA, Table, write_parts
from evoloss.errors import DataError, MissingExtraError

REAL = ("Vehicle", "Vowel", "Satellite", "PimaIndiansDiabetes")
"""Shapes of cars (846 rows, 4 classes), vowels (990, 11), land from above (6,435, 6), diabetes (768, 2)."""
_TARGETS = {"Vehicle": "Class", "Vowel": "Class", "Satellite": "classes", "PimaIndiansDiabetes": "diabetes"}


def read_real(name: str, folder: Path) -> Table:
    """Read a table.

    Raises:
        DataError: if the file is not there.
        MissingExtraError: if ``rdata`` is not installed.
    """
    path = folder / f"{name}.rda"
    if not path.is_file():
        raise DataError(f"no file {path}: it comes with Debian's package r-cran-mlbench (see --mlbench)")
    try:
        from rdata import read_rda
    except ImportError as error:
        raise MissingExtraError.of("rdata", EXTRA, f"the table {name}") from error
    frame, target = read_rda(path, default_encoding="ascii")[name], _TARGETS[name]
    columns = {name: np.array(frame[name].tolist()) for name in frame if name != target}
    return Table(tuple(columns.values()), np.array(frame[target].tolist(), str))


def write_real(name: str, path: Path, folder: Path) -> None:
    """Write a table as a data set, a quarter of its rows for testing."""
    write_parts(read_real(name, folder), path)
