"""Five tables that installed packages bring along, made ready for a classifier: numbers only, one scale.

==============  ======  ========  =======  ===========================================================
name              rows  features  classes  shipped by
==============  ======  ========  =======  ===========================================================
breast_cancer      569        30        2  scikit-learn (BSD-3-Clause)
wine               178        13        3  scikit-learn (BSD-3-Clause)
digit_features   1,797        64       10  scikit-learn (BSD-3-Clause)
letter          20,000        16       26  Debian's r-cran-mlbench (GPL-2), a file that ``rdata`` reads
diamonds        20,000        22        5  plotnine (MIT); the quality of the cut, of 53,940 stones
==============  ======  ========  =======  ===========================================================

A quarter of the rows is for testing, drawn once and by class. Numbers are standardised by the mean and the
deviation of the training part; columns of words become one column for each word of the training part.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evoloss.atomic_files import write_bytes
from evoloss.errors import DataError, MissingExtraError

MLBENCH = Path("/usr/lib/R/site-library/mlbench/data")
"""Where Debian's r-cran-mlbench puts its tables; ``apt-get download`` and ``dpkg -x`` do without R."""
EXTRA = "tabular-benchmark"
MOST_ROWS = 20_000
"""Larger tables are cut to these, by class."""
TEST_SHARE = 0.25


@dataclass(frozen=True)
class Table:
    """Columns, and what is to be predicted.

    Attributes:
        columns: one array a column, numbers or words, all of one length.
        target: a class for each row.
    """

    columns: tuple[npt.NDArray[Any], ...]
    target: npt.NDArray[Any]


def _of_scikit_learn(name: str) -> Table:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    return Table(tuple(bunch.data.T), bunch.target)


def letter(folder: Path = MLBENCH) -> Table:
    """Letters by 16 measures of their shape (Frey and Slate 1991).

    Raises:
        DataError: if the file is not there.
        MissingExtraError: if ``rdata`` is not installed.
    """
    path = folder / "LetterRecognition.rda"
    if not path.is_file():
        raise DataError(
            f"no file {path}: it comes with Debian's package r-cran-mlbench (apt-get download "
            "r-cran-mlbench; dpkg -x FILE.deb FOLDER); say where it is with --mlbench "
            "FOLDER/usr/lib/R/site-library/mlbench/data"
        )
    try:
        from rdata import read_rda
    except ImportError as error:
        raise MissingExtraError.of("rdata", EXTRA, "the table letter") from error
    frame = read_rda(path, default_encoding="ascii")["LetterRecognition"]
    target = np.array(frame["lettr"].tolist(), str)
    return Table(tuple(np.asarray(frame[name], float) for name in frame if name != "lettr"), target)


def diamonds() -> Table:
    """Diamonds by weight, colour, clarity, price and measures; the class is the quality of the cut.

    Raises:
        MissingExtraError: if plotnine is not installed.
    """
    package = find_spec("plotnine")  # its import takes seconds, and only a file of it is read
    if package is None or package.origin is None:
        raise MissingExtraError.of("plotnine", EXTRA, "the table diamonds")
    return read_diamonds(Path(package.origin).parent / "data/diamonds.csv")


def read_diamonds(path: Path) -> Table:
    """The table of a file with a line for each stone."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    words = ("color", "clarity")
    columns = (
        np.array([row[name] for row in rows], str if name in words else float)
        for name in rows[0]
        if name != "cut"
    )
    return Table(tuple(columns), np.array([row["cut"] for row in rows]))


TABLES: dict[str, Callable[[Path], Table]] = {
    "breast_cancer": lambda _: _of_scikit_learn("breast_cancer"),
    "wine": lambda _: _of_scikit_learn("wine"),
    "digit_features": lambda _: _of_scikit_learn("digits"),
    "letter": letter,
    "diamonds": lambda _: diamonds(),
}
"""Makes each table, given the folder of mlbench."""


def features(
    table: Table, train: npt.NDArray[np.intp], test: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The inputs of both parts, ``(N, D)`` each; scales and words are those of the training part.

    A word that the training part does not have is 0 in all columns, a column without spread is 0.
    """
    made: list[npt.NDArray[Any]] = []
    for column in table.columns:
        seen = column[train]
        if column.dtype.kind in "biuf":
            deviation = seen.std()
            made.append((column - seen.mean()) / (deviation if deviation > 0 else 1.0))
        else:
            made += [column == word for word in np.unique(seen)]
    inputs = np.stack(made, axis=1).astype(np.float32)
    return inputs[train], inputs[test]


def split(target: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows for training and for testing, by class; the same at every call."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(target))
    if len(rows) > MOST_ROWS:
        rows, _ = train_test_split(rows, train_size=MOST_ROWS, random_state=0, stratify=target)
    train, test = train_test_split(rows, test_size=TEST_SHARE, random_state=0, stratify=target[rows])
    return np.sort(train), np.sort(test)


def write_table(name: str, path: Path, mlbench: Path = MLBENCH) -> None:
    """Write a table as a data set that ``evoloss compare`` reads.

    Raises:
        DataError: see :func:`letter`.
        MissingExtraError: if a package that brings it is not installed.
    """
    write_parts(TABLES[name](mlbench), path)


def write_parts(table: Table, path: Path) -> None:
    """Write the training and the test part of a table as a data set."""
    train, test = split(table.target)
    x_train, x_test = features(table, train, test)
    y_train, y_test = table.target[train], table.target[test]
    content = io.BytesIO()
    np.savez(content, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    write_bytes(path, content.getvalue())
