from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cifar10_20k.conditions import CONDITIONS
from benchmarks.sensing.figures import ACCURACY, LOSSES, WRONG, Figures, main, missing

CURVE = re.compile(r'style="fill: none; stroke: #(?:1f77b4|0969da)')
"""A line in the colour of the sensing loss."""


def _course(condition: str, loss: str, *, seed: int = 110, **more: float | None) -> dict[str, Any]:
    return {
        "condition": condition,
        "loss": loss,
        "seed": seed,
        "validation_accuracy": [30.0, None, 50.0],
        "readings": [{"plateau": 0.1}, {"plateau": 0.4, **more}] if loss == "sensing" else [],
    }


def _drawn(tmp_path: Path, courses: list[dict[str, Any]]) -> tuple[str, str]:
    file = tmp_path / "courses.json"
    file.write_text(json.dumps({str(place): course for place, course in enumerate(courses)}))
    main(Figures(courses=file, out=tmp_path))
    return tuple((tmp_path / f"sensing-{name}.svg").read_text() for name in ("accuracy-light", "noise"))  # type: ignore[return-value]


def test_the_conditions_are_those_of_the_study() -> None:
    assert {*ACCURACY, *WRONG} <= {condition.name for condition in CONDITIONS}
    assert len(WRONG) == 6


def test_everything_is_drawn_where_it_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    courses = [_course(condition, loss) for condition in ACCURACY for loss in LOSSES]
    courses += [_course(condition, "sensing") for condition in WRONG if condition not in ACCURACY]
    accuracy, noise = _drawn(tmp_path, courses)
    assert capsys.readouterr().out == ""
    assert all(text in accuracy for text in ("cross-entropy", "adaptive", *ACCURACY.values()))
    assert len(CURVE.findall(accuracy)) == len(ACCURACY), "a curve a panel"
    assert "#58a6ff" in (tmp_path / "sensing-accuracy-dark.svg").read_text()
    assert len(CURVE.findall(noise)) == len(WRONG)
    assert "contradictions that stay" in noise


def test_courses_that_miss_are_named_and_the_others_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    courses = [_course("sym40-long", "sensing"), _course("sym40-long", "sensing", seed=111)]
    accuracy, noise = _drawn(tmp_path, courses)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(set(lines)) == len(ACCURACY) * len(LOSSES) + len(WRONG) - len(ACCURACY) - 1
    assert "not there: sym40-long, cross_entropy" in lines
    assert "not there: sym40-long, sensing" not in lines
    assert len(CURVE.findall(accuracy)) == 1, "the mean of two seeds"
    assert len(CURVE.findall(noise)) == 2, "each of two seeds"
    accuracy, noise = _drawn(
        tmp_path, [_course("sym40-long", "sensing", seed=104)]
    )  # it had a part in the loss
    assert not CURVE.findall(accuracy + noise)


def test_an_estimated_rate_is_drawn_in_the_place_of_the_plateau(tmp_path: Path) -> None:
    rate = _course("sym40-long", "sensing", noise_rate=0.4)
    rate["readings"][0]["noise_rate"] = None  # it cannot tell yet
    assert "estimated noise rate" in _drawn(tmp_path, [rate])[1]
    mixed = _drawn(tmp_path, [rate, _course("clean-long", "sensing")])[1]
    assert "estimated noise rate" not in mixed, "one reading for all, or panels cannot be compared"


def test_equal_courses_give_equal_files(tmp_path: Path) -> None:
    courses = [_course("sym40-long", "sensing")]
    assert _drawn(tmp_path, courses) == _drawn(tmp_path, courses)


def test_what_is_missing() -> None:
    assert missing([_course(condition, loss) for condition in WRONG for loss in LOSSES]) == []
