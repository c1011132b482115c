from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cifar10_20k.conditions import CONDITIONS
from benchmarks.cifar10_20k.run import OUT, study
from benchmarks.cifar10_20k.table import BEGIN, END, PAGE, Table, main, table
from benchmarks.harness.page import replace_between
from benchmarks.harness.study_results import Measured, load
from tests.compare.runs import make_run


def _measured(**accuracies: list[float]) -> dict[str, Measured]:
    runs = tuple(
        make_run(loss, seed, accuracy, lr=0.3, best_test_accuracy=accuracy + 1)
        for loss, values in accuracies.items()
        for seed, accuracy in enumerate(values)
    )
    return {CONDITIONS[0].name: Measured(CONDITIONS[0], runs, {})}


def test_only_seeds_in_common() -> None:
    measured = _measured(cross_entropy=[40.0, 42.0, 90.0], gce=[53.0, 53.0], adaptive=[54.0, 55.5])
    heads, _, row = table(measured)
    assert heads.startswith("| accuracy, % | seeds | cross-entropy | GCE | `adaptive` |")
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:5] == ["2", "41.0 (42.0) at 0.3", "53.0 (54.0) at 0.3", "54.8 (55.8) at 0.3"]
    assert cells[5:] == ["+13.8 (+13.5 to +14.0)", "+1.8 (+1.0 to +2.5)"]
    assert len(table(_measured(cross_entropy=[40.0], gce=[1.0]))) == 2, "no row without it"
    assert len(table(_measured(adaptive=[40.0], gce=[1.0]))) == 2, "no row without cross-entropy"


def test_a_loss_that_misses_a_seed_is_left_out_of_the_row() -> None:
    _, _, row = table(_measured(cross_entropy=[40.0, 42.0], gce=[53.0], adaptive=[54.0, 55.0]))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[3] == cells[6] == "–"
    assert cells[5] == "+13.5 (+13.0 to +14.0)"


def test_it_prints_nothing_but_heads_without_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(Table(results=tmp_path))
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_page_has_the_table_of_the_committed_runs() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert replace_between(page, BEGIN, END, table(load(study(OUT)))) == page
