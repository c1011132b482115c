from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evoloss.compare.keeping.csv_tables import csv_text
from evoloss.errors import ResultsError
from evoloss.report.html.stored import SHOWN_SUSPECTS, read_stored
from tests.report.html.made_up import CLASSES, comparison, keep, write_comparison


def test_what_was_kept_is_read(tmp_path: Path) -> None:
    stored = {item.loss: item for item in read_stored(comparison(), write_comparison(tmp_path))}
    assert list(stored) == ["cross_entropy", "gce", "adaptive"]
    first = stored["cross_entropy"]
    assert (first.seed, first.folder) == (0, "kept/cross_entropy/seed-0")
    assert first.evaluation is not None
    assert first.evaluation["classes"] == list(CLASSES)
    assert len(first.suspects) == SHOWN_SUSPECTS
    assert first.suspects[0]["index"] == "999"
    assert sorted(first.thumbnails) == list(range(1, 25))
    assert first.thumbnails[1].startswith("data:image/png;base64,iVBOR")
    assert stored["gce"].thumbnails == {}
    assert stored["gce"].method["average_precision"] == 0.82


def test_nothing_kept_is_no_error(tmp_path: Path) -> None:
    assert read_stored(comparison(), tmp_path) == []
    assert read_stored(comparison(), None) == []
    (tmp_path / "kept" / "gce" / "seed-0").mkdir(parents=True)
    assert [(item.loss, item.evaluation, item.suspects) for item in read_stored(comparison(), tmp_path)] == [
        ("gce", None, [])
    ]


def test_names_that_were_kept_from_being_formulas_are_as_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "kept" / "gce" / "seed-0"
    keep(folder)
    names = ("index", "label", "suggested", "score", "file")
    (folder / "suspects.csv").write_text(
        csv_text(names, [(1, "=1+1", "'-x", "0.5", "@home.png"), (2, "-1", "cat", "1e-05", "'tis.png")])
    )
    (item,) = read_stored(comparison(), tmp_path)
    assert [tuple(row.values()) for row in item.suspects] == [
        ("1", "=1+1", "'-x", "0.5", "@home.png"),
        ("2", "-1", "cat", "1e-05", "'tis.png"),
    ]


def test_a_picture_that_is_none_is_left_out(tmp_path: Path) -> None:
    keep(tmp_path / "kept" / "gce" / "seed-0")
    pictures = tmp_path / "kept" / "gce" / "seed-0" / "suspects"
    (pictures / "0002.png").write_bytes(b"<svg onload=alert(1)>")
    (pictures / "0003.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1 << 20))
    (item,) = read_stored(comparison(), tmp_path)
    assert set(range(1, 25)) - set(item.thumbnails) == {2, 3}


@pytest.mark.parametrize("place", ["../elsewhere", "/etc", "kept/../../x", "kept\\..\\x", "a\0b"])
def test_a_place_outside_of_the_directory_is_refused(tmp_path: Path, place: str) -> None:
    class Named:
        loss, seed, kept = "gce", 0, place

    class Run:
        runs = (Named(),)

    results: Any = Run()
    with pytest.raises(ResultsError, match="not inside"):
        read_stored(results, tmp_path)


def test_a_link_out_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    keep(tmp_path / "elsewhere")
    (tmp_path / "run" / "kept" / "gce").mkdir(parents=True)
    (tmp_path / "run" / "kept" / "gce" / "seed-0").symlink_to(tmp_path / "elsewhere")
    assert read_stored(comparison(), tmp_path / "run") == []


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("schema", 2),
        ("classes", ["a", 3]),
        ("classes", []),
        ("confusion", [[1, 2], [3]]),
        ("confusion", [[True] * 4] * 4),
        ("recall", [0.5]),
        ("recall", None),
        ("reliability", {"counts": [1], "confidence": [], "accuracy": []}),
        ("reliability", 7),
    ],
)
def test_a_damaged_evaluation_is_an_error_with_its_place(tmp_path: Path, change: str, value: Any) -> None:
    folder = tmp_path / "kept" / "gce" / "seed-0"
    keep(folder)
    found = json.loads((folder / "evaluation.json").read_text())
    (folder / "evaluation.json").write_text(json.dumps({**found, change: value}))
    with pytest.raises(ResultsError, match=r"evaluation\.json is not an evaluation"):
        read_stored(comparison(), tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("evaluation.json", b"{", "not valid JSON"),
        ("evaluation.json", b"[]", "does not hold an object"),
        ("suspects.csv", b"rank,label\n1,a\n", "has no column index, score, suggested"),
        ("suspects.csv", b"index,label,suggested,score\n1,a\n", "longer or shorter"),
        ("suspects.csv", b"index,label,suggested,score\n1,a,b,0.5,7\n", "longer or shorter"),
        ("suspects.csv", b'index,label,suggested,score\n1,"a"b,c,0.5\n', "is not a table"),
        ("command.txt", b"\xff\xfe\x00\xff", "is not UTF-8"),
    ],
)
def test_damage_is_an_error_with_its_place(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    folder = tmp_path / "kept" / "gce" / "seed-0"
    keep(folder)
    (folder / name).write_bytes(content)
    with pytest.raises(ResultsError, match=said):
        read_stored(comparison(), tmp_path)


@pytest.mark.parametrize("name", ["balanced_accuracy", "temperature"])
@pytest.mark.parametrize("value", ["90", [90], True])
def test_a_number_that_is_none_is_an_error(tmp_path: Path, name: str, value: object) -> None:
    folder = tmp_path / "kept" / "gce" / "seed-0"
    keep(folder)
    found = json.loads((folder / "evaluation.json").read_text())
    (folder / "evaluation.json").write_text(json.dumps(found | {name: value}))
    with pytest.raises(ResultsError, match="is not an evaluation"):
        read_stored(comparison(), tmp_path)
