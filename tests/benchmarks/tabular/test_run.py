from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tyro

from benchmarks.tabular import run as study
from benchmarks.tabular.conditions import CONDITIONS, FIRST_SEEDS, LOSSES
from benchmarks.tabular.run import TabularStudy, main, plan
from evoloss.cli.compare import CompareCommand
from evoloss.compare.results import Results
from evoloss.errors import UnknownNameError


def test_five_tables_with_three_kinds_of_labels() -> None:
    assert len({condition.name for condition in CONDITIONS}) == len(CONDITIONS) == 15
    for condition in CONDITIONS:
        assert condition.validation_noise == bool(condition.label_noise)
        assert condition.seeds in (5, 10)
        batches = (condition.rows or (0, 0))[0] * 0.75 / condition.batch_size
        assert batches > 5, "an epoch of few batches tells a sensing loss nothing"


def test_every_condition_has_a_few_seeds_before_any_has_all(tmp_path: Path) -> None:
    steps = list(plan(TabularStudy(out=tmp_path)))
    assert [step.seeds for step in steps] == [FIRST_SEEDS] * 15 + [
        step.condition.seeds for step in steps[15:]
    ]
    assert steps[0].losses == LOSSES
    with pytest.raises(UnknownNameError, match="wine-clean"):
        list(plan(TabularStudy(only=("wine-cleam",))))


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_each_step_is_a_comparison_that_the_command_line_takes(tmp_path: Path, condition) -> None:
    (step, _) = plan(TabularStudy(only=(condition.name,), out=tmp_path / "out", data=tmp_path))
    parsed = tyro.cli(CompareCommand, args=step.command(workers=1)[4:])
    for name in ("label_noise", "validation_noise", "epochs", "batch_size", "lr_grid", "tune_seeds"):
        assert getattr(parsed, name) == getattr(condition, name)
    assert parsed.dataset == (str(tmp_path / f"{condition.dataset}.npz"),)


def test_a_table_is_made_ready_and_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = [replace(row, epochs=2, lr_grid=(0.1,), tune_seeds=1) for row in CONDITIONS]
    monkeypatch.setattr(study, "CONDITIONS", tuple(short))
    settings = {"only": ("wine-sym40",), "out": tmp_path / "out", "data": tmp_path / "data"}
    assert main(TabularStudy(**settings, dry_run=True)) == 0
    assert not settings["data"].exists()
    assert main(TabularStudy(**settings, losses=("adaptive",), seeds=1)) == 0
    results = Results.read(tmp_path / "out/wine-sym40")
    assert {run.loss for run in results.runs} == {"cross_entropy", "adaptive"}
    assert {(run.dataset, run.n_classes, run.validation_noise) for run in results.runs} == {("wine", 3, True)}
    before = (tmp_path / "data/wine.npz").stat().st_mtime_ns
    assert main(TabularStudy(**settings, losses=("adaptive",), seeds=1)) == 0
    assert (tmp_path / "data/wine.npz").stat().st_mtime_ns == before


def test_committed_results_are_those_of_the_conditions() -> None:
    known = {condition.name: condition for condition in CONDITIONS}
    for path in study.OUT.glob("*/results.json"):
        results, condition = Results.read(path), known[path.parent.name]
        for setting in ("label_noise", "validation_noise", "epochs", "batch_size", "model"):
            assert results.config[setting] == getattr(condition, setting)
        for run in results.runs:
            assert (run.n_train + run.n_validation, run.n_test) == condition.rows
