from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.tabular import tables
from benchmarks.tabular.conditions import SIZES
from benchmarks.tabular.tables import TABLES, Table, diamonds, features, letter, read_diamonds, split
from evoloss.data import load_dataset
from evoloss.errors import DataError, MissingExtraError


def test_scales_and_words_are_those_of_the_training_part() -> None:
    numbers = np.array([1.0, 3.0, 100.0])
    words = np.array(["b", "a", "new"])
    table = Table((numbers, words, np.full(3, 7)), np.array([0, 1, 0]))
    train, test = features(table, np.array([0, 1]), np.array([2]))
    np.testing.assert_allclose(train, [[-1, 0, 1, 0], [1, 1, 0, 0]])
    np.testing.assert_allclose(test, [[98, 0, 0, 0]])
    assert train.dtype == np.float32


def test_a_split_is_by_class_the_same_at_every_call_and_shares_no_row() -> None:
    target = np.repeat(["a", "b"], [300, 100])
    train, test = split(target)
    assert sorted([*train, *test]) == list(range(400))
    assert [(target[rows] == "b").mean() for rows in (train, test)] == [0.25, 0.25]
    np.testing.assert_array_equal(split(target)[1], test)


def test_large_tables_are_cut_by_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_ROWS", 200)
    target = np.repeat(["a", "b"], [300, 100])
    train, test = split(target)
    assert (len(train), len(test)) == (150, 50)
    assert len({*train, *test}) == 200
    assert (target[train] == "b").mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "digit_features"])
def test_tables_of_scikit_learn_become_data_sets(tmp_path: Path, name: str) -> None:
    tables.write_table(name, tmp_path / f"{name}.npz")
    dataset = load_dataset(str(tmp_path / f"{name}.npz"), validation=0.25)
    rows = SIZES[name].rows
    assert (len(dataset.train.labels) + len(dataset.validation.labels), len(dataset.test.labels)) == rows
    inputs = dataset.train.inputs
    assert abs(inputs.mean()) < 0.1
    assert inputs.isfinite().all()


def test_diamonds_are_read_with_words_for_colour_and_clarity(tmp_path: Path) -> None:
    path = tmp_path / "diamonds.csv"
    path.write_text("carat,cut,color,clarity,price\n0.23,Ideal,E,SI2,326\n0.21,Premium,J,SI1,327\n")
    table = read_diamonds(path)
    assert [column.tolist() for column in table.columns] == [
        [0.23, 0.21],
        ["E", "J"],
        ["SI2", "SI1"],
        [326.0, 327.0],
    ]
    assert table.target.tolist() == ["Ideal", "Premium"]


def test_letters_are_read_without_what_is_to_be_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "LetterRecognition.rda").touch()
    frame = {"lettr": np.array(["T", "I"], object), "x.box": np.array([2, 5])}
    fake = SimpleNamespace(read_rda=lambda path, default_encoding: {"LetterRecognition": frame})
    monkeypatch.setitem(sys.modules, "rdata", fake)
    table = letter(tmp_path)
    assert table.target.dtype.kind == "U", "no objects, which only a pickle holds"
    assert table.target.tolist() == ["T", "I"]
    assert [column.tolist() for column in table.columns] == [[2.0, 5.0]]


def test_what_is_missing_is_said_with_what_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="r-cran-mlbench"):
        letter(tmp_path)
    (tmp_path / "LetterRecognition.rda").touch()
    monkeypatch.setitem(sys.modules, "rdata", None)
    with pytest.raises(MissingExtraError, match=r"evoloss\[tabular-benchmark\]"):
        letter(tmp_path)
    monkeypatch.setattr(tables, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="plotnine"):
        diamonds()


def test_every_table_has_a_size() -> None:
    assert TABLES.keys() == SIZES.keys()
