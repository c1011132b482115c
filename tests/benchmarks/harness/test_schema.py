from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.results import write_results
from benchmarks.harness.schema import check_results
from benchmarks.harness.timing import alternate, print_rows, rows_of, target
from benchmarks.speed.page import RESULTS

COMMITTED = sorted(RESULTS.glob("*.json"))


def a_result(tmp_path: Path) -> dict[str, Any]:
    times = iter([9.0, 9.0, 1.0, 2.0, 2.0, 2.0, 3.0, 8.0])
    seconds = alternate({"ours": lambda: next(times), "theirs": lambda: next(times)}, rounds=3)
    assert seconds == {"ours": [1.0, 2.0, 3.0], "theirs": [2.0, 2.0, 8.0]}
    rows = rows_of("a case", seconds, "theirs")
    targets = [target("ours over theirs", 0.5, rows[0]["ratio"], reason="the machine was busy")]
    write_results(tmp_path / "r.json", "example", "true", rows, targets)
    content: dict[str, Any] = json.loads((tmp_path / "r.json").read_text())
    return content


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_results_follow_the_schema(path: Path) -> None:
    content = json.loads(path.read_text())
    check_results(content)
    assert not any(Path(word).is_absolute() for word in content["command"].split()), "a path of one machine"


def test_ratio_of_medians_with_the_quartiles_of_the_rounds(tmp_path: Path) -> None:
    ours, theirs = a_result(tmp_path)["rows"]
    assert (ours["seconds"], ours["ratio"]) == (2.0, 1.0)
    assert ours["ratio_quartiles"] == [0.4375, 0.75]  # of 1/2, 2/2 and 3/8
    assert (theirs["ratio"], theirs["ratio_quartiles"]) == (1.0, [1.0, 1.0])


def test_memory_is_measured_in_mebibytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of("a case", {"ours": [3.0], "theirs": [2.0]}, "theirs", "mebibytes")
    write_results(tmp_path / "r.json", "example", "true", rows)
    assert (rows[0]["mebibytes"], rows[0]["mebibytes_quartiles"], rows[0]["ratio"]) == (3.0, [3.0, 3.0], 1.5)
    print_rows(rows)
    assert "3.0 MiB" in capsys.readouterr().out


def test_a_missed_target_needs_a_reason(tmp_path: Path) -> None:
    (missed,) = a_result(tmp_path)["targets"]
    assert not missed["reached"]
    assert missed["reason"] == "the machine was busy"
    with pytest.raises(ValueError, match="was missed; say why"):
        write_results(tmp_path / "x.json", "b", "c", a_result(tmp_path)["rows"], [target("t", 1.0, 2.0)])
    assert not (tmp_path / "x.json").exists()


def drop(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda content: content.pop(name)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop("facts"), "'facts' must be dict"),
        (lambda c: c.update(schema=2), "schema must be 1"),
        (lambda c: c.update(rows=[]), "at least one row"),
        (lambda c: c["facts"].pop("load"), "'load' must be a finite number"),
        (lambda c: c["rows"][0].update(seconds=0.0), "row 0: 'seconds' must be a finite number in range"),
        (lambda c: c["rows"][0].pop("seconds"), r"must have measured one of seconds, mebibytes, got \[\]"),
        (lambda c: c["rows"][0].update(mebibytes=1.0), "must have measured one of"),
        (lambda c: c["rows"][1].update(ratio=float("nan")), "row 1: 'ratio' must be a finite number"),
        (lambda c: c["rows"][0].update(ratio_quartiles=[2.0, 1.0]), "two rising positive numbers"),
        (lambda c: c["targets"][0].update(reached=True), "the numbers say False"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Callable[[dict[str, Any]], object], message: str) -> None:
    content = copy.deepcopy(a_result(tmp_path))
    check_results(content)
    damage(content)
    with pytest.raises(ValueError, match=message):
        check_results(content)
