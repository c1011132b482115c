from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import pytest

from evoloss.errors import UnknownNameError
from evoloss.losses import EvolvedLoss
from evoloss.losses.resolve import make_loss
from evoloss.report.html.shapes import AGREEMENTS, P_GRID, SENSED, Shapes, shapes_of
from evoloss.training.fingerprints import fingerprint_loss


@cache
def shapes_by_name(name: str) -> Shapes:
    return shapes_of({name: None}, 4)


def pulls(name: str, **where: object) -> list[float]:
    shapes = shapes_by_name(name)
    columns = shapes["curves"]["columns"]
    rows = [dict(zip(columns, row, strict=True)) for row in shapes["curves"]["rows"]]
    (found,) = [row for row in rows if all(row[key] == value for key, value in where.items())]
    values = found["pull"]
    assert isinstance(values, list)
    return [value for value in values if value is not None]


def test_cross_entropy_pulls_with_one_minus_p_for_every_class_count() -> None:
    for classes in (2, 4, 10, 100):
        rest = {} if classes == 2 else {"rest": "uniform"}
        expected = [1 - p for p in P_GRID]
        assert pulls("cross_entropy", classes=classes, **rest) == pytest.approx(expected, abs=1e-4)


def test_gce_pulls_with_p_to_the_q() -> None:
    expected = [p**0.5 * (1 - p) for p in P_GRID]
    assert pulls("gce:q=0.5", classes=10, rest="rival") == pytest.approx(expected, abs=1e-4)


def test_a_paced_loss_is_drawn_at_every_agreement() -> None:
    curves = [
        pulls("evolved-noise", classes=10, rest="uniform", agreement=agreement) for agreement in AGREEMENTS
    ]
    loss = make_loss("evolved-noise", reduction="none")
    assert isinstance(loss, EvolvedLoss)
    # As batches are learned, labels of small p pull less.
    place = P_GRID.index(0.02)
    assert [curve[place] for curve in curves] == sorted((curve[place] for curve in curves), reverse=True)
    assert curves[0][place] > 2 * curves[-1][place]


def test_a_sensing_loss_pulls_less_on_contradicting_labels_as_they_are_memorised() -> None:
    where = {"classes": 10, "rest": "rival", "agreement": 1.0}
    curves = [pulls("adaptive", **where, sensed=sensed) for sensed in SENSED]
    place = P_GRID.index(0.02)
    assert [curve[place] for curve in curves] == sorted((curve[place] for curve in curves), reverse=True)
    assert curves[-1][place] < 0.05 < 0.5 < curves[0][place]
    # Labels that are predicted stay.
    assert curves[-1][P_GRID.index(0.9)] == pytest.approx(0.1, abs=0.02)


def test_the_loss_is_left_as_it_was() -> None:
    before = fingerprint_loss(make_loss("adaptive"))
    assert shapes_of({"adaptive": before}, 3)["notes"] == []


def test_a_name_of_a_stranger_neither_imports_nor_opens_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')\n")
    EvolvedLoss.from_pretrained("evolved-base").save_pretrained(tmp_path / "folder")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    shapes = shapes_of(dict.fromkeys(("trap:Loss", "folder", "./folder", "gce:q", "gce:zz=1", "gce:q=7")), 3)
    assert shapes["curves"]["rows"] == []
    assert len(shapes["notes"]) == 6
    assert "trap" not in sys.modules


def test_what_the_reader_names_is_drawn(tmp_path: Path) -> None:
    EvolvedLoss.from_pretrained("evolved-base").save_pretrained(tmp_path / "mine")
    shapes = shapes_of({"mine": None}, 3, {"mine": str(tmp_path / "mine")})
    assert {row[0] for row in shapes["curves"]["rows"]} == {"mine"}
    with pytest.raises(UnknownNameError, match="Did you mean 'gce'"):
        shapes_of({"mine": None}, 3, {"mine": "gcee"})


def test_another_loss_than_the_one_that_was_run_is_told() -> None:
    shapes = shapes_of({"gce": "0" * 16, "sce": fingerprint_loss(make_loss("sce"))}, 3)
    assert shapes["notes"] == [
        "gce is drawn as this version of evoloss has it; the one that was run differs."
    ]
