from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from evoloss.data import load_dataset
from evoloss.errors import ConfigError, DataError, MissingExtraError, UnknownNameError
from evoloss.training.fingerprints import fingerprint_dataset
from tests.data.tables.tables import flowers, rows_of, write


def test_split_standardised_and_named(tmp_path: Path) -> None:
    columns = flowers()
    data = load_dataset(str(write(tmp_path / "flowers.csv", columns)), target="species", validation=0.25)
    assert data.name == "flowers"
    assert data.class_names == ("setosa", "versicolor", "virginica")
    assert (len(data.train), len(data.validation), len(data.test)) == (36, 12, 12)
    for part, count in ((data.train, 12), (data.validation, 4), (data.test, 4)):
        assert torch.bincount(part.labels).tolist() == [count] * 3
    assert data.input_shape == (5,)
    numbers = data.train.inputs[:, :2]
    torch.testing.assert_close(numbers.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(numbers.std(0, correction=0), torch.ones(2), atol=1e-5, rtol=0)
    assert (rows_of(data)[:, 2:].sum(dim=1) == 1).all()


def test_statistics_are_of_the_training_split_alone(tmp_path: Path) -> None:
    columns = flowers()
    before = load_dataset(str(write(tmp_path / "a.csv", columns)), target="species")
    held_out = set(before.test.inputs[:, 0].tolist())
    # Standardising keeps the order, so the ranks say which rows are in the test split.
    order = np.argsort(np.array(columns["length"], dtype=float))
    ranked = sorted(rows_of(before)[:, 0].tolist())
    test_rows = [row for row, value in zip(order.tolist(), ranked, strict=True) if value in held_out]
    assert len(test_rows) == len(before.test)
    for row in test_rows:
        columns["length"][row] = "1000"
        columns["site"][row] = "elsewhere"
    after = load_dataset(str(write(tmp_path / "b.csv", columns)), target="species")
    torch.testing.assert_close(after.train.inputs, before.train.inputs, rtol=0, atol=0)
    assert (after.test.inputs[:, 0] > 100).all()
    assert (after.test.inputs[:, 2:] == 0).all(), "no training row has this category"


def test_what_was_done_is_told(tmp_path: Path) -> None:
    columns = flowers()
    columns["length"][3] = columns["site"][4] = ""
    columns["width"][5] = "NA"
    columns["species"][6] = " NaN"
    columns |= {"id": list(range(60)), "note": [f"note {row}" for row in range(60)], "unit": ["cm"] * 60}
    data = load_dataset(str(write(tmp_path / "t.csv", columns)), target="species", split_seed=3)
    told = "\n".join(data.notes)
    for said in (
        "59 rows with a label (species); 1 without one left out",
        "left out, column 'id': it counts the rows",
        "left out, column 'note': it has 60 different texts",
        "left out, the same in all training rows: unit",
        "a feature that says so: length 1, width 1",
        "a category of their own: site 1",
        "categories, a feature of 0 and 1 for each value: site",
        "for validation (split seed 3)",
    ):
        assert said in told
    assert len(rows_of(data)) == 59


def test_the_content_alone_decides(tmp_path: Path) -> None:
    columns = flowers()
    (tmp_path / "other").mkdir()
    paths = [write(tmp_path / name, columns) for name in ("flowers.csv", "other/flowers.csv")]
    first, second = (load_dataset(str(path), target="species") for path in paths)
    assert (first.name, fingerprint_dataset(first)) == (second.name, fingerprint_dataset(second))
    columns["width"][0] = "7"
    changed = load_dataset(str(write(paths[1], columns)), target="species")
    assert fingerprint_dataset(changed) != fingerprint_dataset(first)


@pytest.mark.parametrize("separator", [";", "\t", ", "])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_other_separators_ends_of_lines_and_quotes(separator: str, encoding: str, tmp_path: Path) -> None:
    plain = write(tmp_path / "t.csv", flowers())
    expected = load_dataset(str(plain), target="species")
    text = plain.read_text().replace(",", separator).replace("north", '"north"').replace("\n", "\r\n\r\n")
    plain.write_bytes(text.encode(encoding))
    found = load_dataset(str(plain), target="species")
    assert fingerprint_dataset(found) == fingerprint_dataset(expected)
    assert found.class_names == expected.class_names


def test_names_with_separators_and_none(tmp_path: Path) -> None:
    rows = "".join(f'{n},"{n % 7}","{("a, b", "c # d")[n % 2]}"\n' for n in range(30))
    (tmp_path / "t.csv").write_text(',"x, y",label\n' + rows)
    data = load_dataset(str(tmp_path / "t.csv"), target="label")
    assert data.class_names == ("a, b", "c # d")
    assert "left out, column '(column 1)': it counts the rows" in data.notes


GOOD = "a,b,y\n" + "1,2,u\n2,1,v\n" * 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected a line of names"),
        ("\n\n", "is empty; expected a line of names"),
        ("a,y\n", "has a line of names and no rows"),
        ("a,a,y\n1,2,u\n", "has several columns named a; expected a name of its own for each"),
        (GOOD + "1,2\n", "line 20: 2 cells between ',', and 3 in the first line"),
        (GOOD + "1,2,3,u\n", "line 20: 4 cells between ',', and 3 in the first line"),
        (GOOD + '1,"2,u\n', "ends inside a cell whose double quote is not closed"),
        ("a,\0,y\n1,2,u\n", "holds zero bytes"),
        ("y\nu\nv\n" * 9, "nothing to learn from beside the target 'y': there is no other column"),
        (GOOD.replace(",u", ",v"), "has 'v' in every row"),
        (GOOD.replace("2,1,v", "1,2,v"), "no column but the target has two different values"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        load_dataset(str(tmp_path / "bad.csv"), target="y")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="Is a named pipe"):
        load_dataset(str(tmp_path / "pipe.csv"), target="y")
    with pytest.raises(DataError, match="No such file"):
        load_dataset(str(tmp_path / "absent.csv"), target="y")
    for encoding in ("latin-1", "utf-16"):
        (tmp_path / "foreign.csv").write_text("é,label\n1,2\n", encoding=encoding)
        with pytest.raises(DataError, match="not UTF-8"):
            load_dataset(str(tmp_path / "foreign.csv"), target="y")
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(10**9)  # nothing but holes
    with pytest.raises(DataError, match="reading it takes about 20 GB of memory, and the limit is 1"):
        load_dataset(str(tmp_path / "large.csv"), target="y", max_gigabytes=1.0)


def test_the_target_belongs_to_tables(tmp_path: Path) -> None:
    path = str(write(tmp_path / "t.csv", flowers()))
    with pytest.raises(UnknownNameError, match="Did you mean 'species'"):
        load_dataset(path, target="specis")
    with pytest.raises(ConfigError, match="is a table; name the column of its labels with --target"):
        load_dataset(path)
    with pytest.raises(ConfigError, match="'digits' is no table"):
        load_dataset("digits", target="species")


def test_without_pandas_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"reading a \.csv file needs pandas.*'evoloss\[tables\]'"):
        load_dataset(str(write(tmp_path / "t.csv", flowers())), target="species")


def test_columns_that_are_ignored(tmp_path: Path) -> None:
    columns = flowers()
    names = [name for name in columns if name != "species"]
    path = write(tmp_path / "flowers.csv", columns)
    without = write(tmp_path / "without.csv", {k: v for k, v in columns.items() if k != names[0]})
    data = load_dataset(str(path), target="species", ignore_columns=[names[0]])
    assert fingerprint_dataset(data) == fingerprint_dataset(load_dataset(str(without), target="species"))
    assert f"left out, as asked for: {names[0]}" in data.notes
    with pytest.raises(UnknownNameError, match=rf"to leave out\. Did you mean .{names[0]}."):
        load_dataset(str(path), target="species", ignore_columns=[f"{names[0]}x"])
    with pytest.raises(ConfigError, match="column 'species' is the target, and cannot be left out"):
        load_dataset(str(path), target="species", ignore_columns=["species"])
    with pytest.raises(DataError, match=r"nothing to learn from .*left out, as asked for"):
        load_dataset(str(path), target="species", ignore_columns=names)


def test_ignored_columns_belong_to_tables() -> None:
    with pytest.raises(ConfigError, match="ignore_columns is for tables"):
        load_dataset("digits", ignore_columns=["a"])
