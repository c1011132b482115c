from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evoloss.data.limits import DataLimits
from evoloss.data.tables.columns import Column
from evoloss.data.tables.features import fit_features
from evoloss.errors import DataError

PATH = Path("table.csv")
NAN = float("nan")


def features(
    train: list[list[float]], rows: list[list[float]], *columns: Column
) -> tuple[np.ndarray, tuple[str, ...]]:
    encoder = fit_features(PATH, columns, DataLimits(), np.array(train, dtype=float))
    return encoder(np.array(rows, dtype=float)), encoder.notes


def test_numbers_by_mean_and_deviation_of_training_rows() -> None:
    found, notes = features([[1], [2], [6]], [[1], [2], [6], [100]], Column("x"))
    by_hand = (np.array([1, 2, 6, 100]) - 3) / np.std([1, 2, 6])
    np.testing.assert_allclose(found[:, 0], by_hand, rtol=1e-6)
    assert found.dtype == np.float32
    assert "mean 0 and standard deviation 1 over the training split: x" in notes[0]


def test_missing_numbers_are_the_median_and_a_feature() -> None:
    found, _ = features([[1], [NAN], [2], [6]], [[NAN], [2]], Column("x"))
    deviation = np.std([1, 2, 6])
    np.testing.assert_allclose(found, [[-1 / deviation, 1], [-1 / deviation, 0]], rtol=1e-6)
    without, _ = features([[1], [2], [6]], [[NAN]], Column("x"))
    np.testing.assert_allclose(without, [[-1 / deviation]], rtol=1e-6)


def test_categories_rare_unseen_and_missing() -> None:
    site = Column("site", ("a", "b", "c", "d"))
    train = [[0], [0], [1], [1], [2], [NAN]]
    found, _ = features(train, [[0], [1], [2], [3], [NAN]], site)
    assert found.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    none_rare, _ = features([[0], [0], [1], [1]], [[0], [3], [NAN]], site)
    assert none_rare.tolist() == [[1, 0], [0, 0], [0, 0]]


def test_constant_columns_are_left_out_and_told() -> None:
    columns = (Column("one"), Column("x"), Column("none"), Column("cm", ("cm",)), Column("mostly"))
    train = [[1, 1, NAN, 0, 7], [1, 3, NAN, 0, NAN]]
    found, notes = features(train, [[1, 3, 5, 0, 7], [2, 1, NAN, 0, NAN]], *columns)
    assert found.tolist() == [[1, 0], [-1, 1]], "a number and its absence differ"
    assert "left out, the same in all training rows: one, none, cm" in notes
    with pytest.raises(
        DataError, match="no column but the target has two different values in the 2 training"
    ):
        features([[1, 0], [1, 0]], [], Column("one"), Column("cm", ("cm",)))


def test_large_numbers_neither_overflow_nor_pass() -> None:
    found, _ = features([[1e300], [-1e300]], [[1e300], [-1e300]], Column("x"))
    assert found.tolist() == [[1], [-1]]
    with pytest.raises(DataError, match="column 'x' has values in validation or test rows that are larger"):
        features([[0], [1]], [[1e300]], Column("x"))


def test_too_many_features_are_refused() -> None:
    column = Column("site", tuple(f"{code:03}" for code in range(200)))
    codes = np.repeat(np.arange(200.0), 2)[:, None]
    encoder = fit_features(PATH, [column], DataLimits(gigabytes=1e-4), codes)
    with pytest.raises(DataError, match=r"table\.csv: reading it takes about .* and the limit is 0\.0001"):
        encoder(codes)
