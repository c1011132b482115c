from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evoloss.data import load_dataset
from evoloss.errors import DataError, MissingExtraError
from evoloss.training.fingerprints import fingerprint_dataset
from tests.data.tables.tables import flowers, write


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"needs pyarrow.*pip install 'pyarrow>=14.0.1', or save"):
        load_dataset(str(tmp_path / "t.parquet"), target="y")


def test_it_is_as_the_same_table_in_csv(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = flowers()
    columns["length"][3] = columns["site"][4] = ""
    csv = load_dataset(str(write(tmp_path / "t.csv", columns)), target="species")
    lengths = [None if cell == "" else float(str(cell)) for cell in columns["length"]]
    sites = [cell or None for cell in columns["site"]]
    widths = [float(str(cell)) for cell in columns["width"]]
    table = pyarrow.table({**columns, "length": lengths, "site": sites, "width": widths})
    parquet.write_table(table, tmp_path / "t.parquet")
    found = load_dataset(str(tmp_path / "t.parquet"), target="species")
    assert fingerprint_dataset(found) == fingerprint_dataset(csv)
    assert found.notes == csv.notes
    with pytest.raises(DataError, match="the limit is 1e-06"):
        load_dataset(str(tmp_path / "t.parquet"), target="species", max_gigabytes=1e-6)


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "t.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match="is not a readable Parquet file"):
        load_dataset(str(tmp_path / "t.parquet"), target="y")
    with pytest.raises(DataError, match="No such file"):
        load_dataset(str(tmp_path / "absent.parquet"), target="y")
