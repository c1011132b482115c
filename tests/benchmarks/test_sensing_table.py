from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.page import replace_between
from benchmarks.harness.results import read_record
from benchmarks.sensing.run import OUT
from benchmarks.sensing.table import BEGIN, END, PAGE, Table, main, table


def _course(loss: str, seed: int, last: float, best: float) -> dict[str, Any]:
    return {"condition": "sym40-long", "loss": loss, "seed": seed, "last": last, "best": best}


COURSES = [
    *(_course("cross_entropy", seed, last, 50.0) for seed, last in ((100, 1.0), (101, 40.0), (102, 42.0))),
    *(_course("gce", seed, 53.0, 54.0) for seed in (100, 101, 102)),
    *(
        _course("sensing", seed, last, 56.0)
        for seed, last in ((100, 99.0), (101, 54.0), (102, 55.5), (103, 1.0))
    ),
]


def test_only_seeds_that_all_losses_have_and_none_that_was_chosen_with() -> None:
    heads, _, row = table(COURSES, 101)
    assert heads.startswith("| accuracy, % | seeds | cross-entropy | GCE | `adaptive` |")
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:5] == ["2", "41.0 (50.0)", "53.0 (54.0)", "54.8 (56.0)"]
    assert cells[5:] == ["+13.8 (+13.5 to +14.0)", "+1.8 (+1.0 to +2.5)"]
    assert len(table(COURSES, 103)) == 2, "no row without a seed in common"


def test_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "courses.json"
    file.write_text(json.dumps({str(place): course for place, course in enumerate(COURSES)}))
    main(Table(courses=file))
    assert "+13.8" in capsys.readouterr().out


def test_the_page_has_the_table_of_the_committed_courses() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert replace_between(page, BEGIN, END, table(read_record(OUT).values(), 101)) == page
