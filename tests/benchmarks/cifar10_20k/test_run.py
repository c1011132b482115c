from __future__ import annotations

from pathlib import Path

import pytest
import tyro

from benchmarks.cifar10_20k import run as study
from benchmarks.cifar10_20k.conditions import CONDITIONS, HUMAN_LABELS, PASSES, STAGES
from benchmarks.cifar10_20k.run import SizeStudy, main, plan
from evoloss.cli.compare import CompareCommand
from evoloss.compare.results import Results
from evoloss.errors import UnknownNameError


def test_six_kinds_of_labels_in_two_courses() -> None:
    assert len({condition.name for condition in CONDITIONS}) == len(CONDITIONS) == 12
    for condition in CONDITIONS:
        clean = not condition.label_noise and condition.train_labels is None
        assert condition.name.startswith("clean") == clean
        assert condition.validation_noise != clean, "choices are made on labels as noisy as those trained on"
        assert condition.seeds == (20 if clean else 5)
        assert (condition.augment, condition.epochs) in (("auto", 15), ("none", 40))


def test_the_most_important_losses_and_a_few_seeds_come_first(tmp_path: Path) -> None:
    steps = list(plan(SizeStudy(out=tmp_path)))
    assert len(steps) == len(CONDITIONS) * len(PASSES)
    assert steps[0].losses == STAGES[0]
    assert [step.seeds for step in steps if step.condition.name == "clean-short"] == [3, 3, 5, 20]
    assert [step.seeds for step in steps if step.condition.name == "sym40-long"] == [3, 3, 5, 5]
    (only,) = plan(SizeStudy(out=tmp_path, only=("human-long",), losses=("focal",), seeds=2))
    assert (only.losses, only.seeds) == (("cross_entropy", "focal"), 2)
    with pytest.raises(UnknownNameError, match="sym40-long"):
        list(plan(SizeStudy(out=tmp_path, only=("sym40-lon",))))


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_each_step_is_a_comparison_that_the_command_line_takes(
    tmp_path: Path, condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVOLOSS_DATA_DIR", str(tmp_path))
    (step, *_) = plan(SizeStudy(only=(condition.name,), out=tmp_path / "out"))
    parsed = tyro.cli(CompareCommand, args=step.command(workers=1)[4:])
    for name in ("label_noise", "noise_kind", "validation_noise", "epochs", "batch_size", "train_samples"):
        assert getattr(parsed, name) == getattr(condition, name)
    labels = tmp_path / HUMAN_LABELS if condition.train_labels else None
    assert parsed.train_labels == labels


def test_a_dry_run_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(study, "run_steps", lambda *_: pytest.fail("something was run"))
    assert main(SizeStudy(dry_run=True, out=tmp_path)) == 0
    assert "sym80-long" in capsys.readouterr().out


def test_committed_results_are_those_of_the_conditions() -> None:
    found = {path.parent.name: Results.read(path) for path in study.OUT.glob("*/results.json")}
    known = {condition.name: condition for condition in CONDITIONS}
    assert found.keys() <= known.keys()
    for name, results in found.items():
        for setting in ("label_noise", "noise_kind", "validation_noise", "epochs", "train_samples"):
            assert results.config[setting] == getattr(known[name], setting)
        assert results.config["train_labels"] == known[name].train_labels
