from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tyro

from benchmarks.cifar10_20k.run import CONDITIONS as MIDDLE
from benchmarks.cifar10_resnets import run as study
from benchmarks.cifar10_resnets.conditions import CONDITIONS, PARTS
from benchmarks.cifar10_resnets.run import ResnetStudy, chosen_rates, main, plan, waiting
from benchmarks.harness.study_results import load
from evoloss.cli.compare import CompareCommand
from evoloss.compare.results import Results
from evoloss.data import load_dataset
from evoloss.errors import DataError, UnknownNameError
from tests.benchmarks.harness.studies import RATES, write_runs, write_tuning

CLEAN = {"cross_entropy": 0.3, "evolved-base": 0.3, "label_smoothing": 1.0, "gce": 0.1}


@pytest.fixture
def rates(tmp_path: Path) -> Path:
    """Rates of some losses with clean labels, and of one loss under noise."""
    write_tuning(tmp_path / "rates/clean-short", CLEAN)
    write_tuning(tmp_path / "rates/sym40-long", {"cross_entropy": 0.1})
    return tmp_path / "rates"


def test_every_part_takes_the_rates_of_a_condition_with_the_same_labels() -> None:
    middle = {condition.name: condition for condition in MIDDLE}
    for part in PARTS:
        source = middle[part.rates_of]
        for name in ("label_noise", "noise_kind", "train_labels", "validation_noise"):
            assert getattr(part.condition, name) == getattr(source, name)
        assert part.condition.lr_grid == ()
        assert part.losses[0] == "cross_entropy"


def test_rates_are_those_that_were_chosen_and_a_loss_that_is_still_tuned_has_none(tmp_path: Path) -> None:
    assert chosen_rates(tmp_path) == {}
    write_tuning(tmp_path, CLEAN)
    assert chosen_rates(tmp_path) == CLEAN
    write_tuning(tmp_path, CLEAN, RATES[:2])
    assert chosen_rates(tmp_path) == {}


def test_one_seed_of_everything_comes_first_each_loss_at_its_rate(tmp_path: Path, rates: Path) -> None:
    steps = list(plan(ResnetStudy(out=tmp_path / "out", rates=rates)))
    first = [(step.name, step.losses) for step in steps if step.seeds == 1]
    assert first == [
        ("resnet20-clean/lr-0.3", ("cross_entropy", "evolved-base")),
        ("resnet20-clean/lr-1", ("label_smoothing",)),
        ("resnet8-clean-short/lr-0.3", ("cross_entropy", "evolved-base")),
        ("resnet8-clean-short/lr-0.1", ("gce",)),
        ("resnet8-sym40-long/lr-0.1", ("cross_entropy",)),
    ]
    assert [step.seeds for step in steps] == [1] * 5 + [2] * 5 + [3] * 5
    assert [step.planned for step in steps if step.name == "resnet20-clean/lr-0.3"] == [2, 4, 6]
    with pytest.raises(UnknownNameError, match="resnet20-clean"):
        list(plan(ResnetStudy(only=("resnet20-cleam",))))


def test_losses_without_a_rate_are_named_with_the_command_that_chooses_one(rates: Path) -> None:
    (line,) = waiting(ResnetStudy(only=("resnet20-clean",), rates=rates))
    command = "python -m benchmarks.cifar10_20k.run --only clean-short"
    assert f"no learning rate yet for adaptive; {command}" in line
    assert waiting(ResnetStudy(only=("resnet20-clean",), losses=("evolved-base",), rates=rates)) == []


def test_each_step_is_a_comparison_that_the_command_line_takes(tmp_path: Path, rates: Path) -> None:
    for step in plan(ResnetStudy(out=tmp_path / "out", rates=rates)):
        parsed = tyro.cli(CompareCommand, args=step.command(workers=1)[4:])
        for name in ("model", "label_noise", "epochs", "train_samples", "precision", "validation_noise"):
            assert getattr(parsed, name) == getattr(step.condition, name)
        assert (parsed.tune_lr, parsed.lr) == (False, step.lr)
        assert parsed.out == tmp_path / "out" / step.name


def test_what_is_done_is_not_run_again(tmp_path: Path, rates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ResnetStudy(out=tmp_path / "out", rates=rates, only=("resnet8-sym40-long",))
    called: list[list[str]] = []

    def run(arguments: list[str], **_: object) -> int:
        called.append(arguments)
        return 0

    monkeypatch.setattr("benchmarks.harness.accuracy_study.run_command", run)
    assert main(settings) == 0
    assert len(called) == 3
    (step, *_) = plan(settings)
    write_runs(step.out, {"cross_entropy": (40.0, 41.0)}, lr=0.1)
    called.clear()
    assert main(settings) == 0
    assert len(called) == 1, "the third seed"


def test_a_dry_run_runs_nothing(
    tmp_path: Path, rates: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(study, "run_steps", lambda *_: pytest.fail("something was run"))
    assert main(ResnetStudy(dry_run=True, out=tmp_path, rates=rates)) == 0
    text = capsys.readouterr().out
    assert "resnet20-clean/lr-0.3" in text
    assert "resnet8-human-long: no learning rate yet" in text


@pytest.mark.slow
def test_a_tiny_study_runs_in_bfloat16_and_goes_on(
    tmp_path: Path, rates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        load_dataset("cifar10")
    except DataError:
        pytest.skip("CIFAR-10 is not there")
    small = {"train_samples": 200, "epochs": 1, "batch_size": 50, "model": "resnet8", "seeds": 1}
    part = replace(PARTS[0], condition=replace(PARTS[0].condition, **small))
    monkeypatch.setattr(study, "PARTS", (part,))
    monkeypatch.setattr(study, "CONDITIONS", (part.condition,))
    settings = ResnetStudy(out=tmp_path / "out", rates=rates)
    assert main(settings) == 0
    (measured,) = load(study.study(settings.out)).values()
    assert {run.precision for run in measured.runs} == {"bf16-mixed"}
    assert {run.loss: run.lr for run in measured.runs} == {
        name: rate for name, rate in CLEAN.items() if name in part.losses
    }
    assert set(measured.differences) == {"label_smoothing", "evolved-base"}, "paired over the rates' files"
    monkeypatch.setattr(study, "run_steps", lambda steps, _: sum(step.done < step.planned for step in steps))
    assert main(settings) == 0


def test_committed_results_are_those_of_the_conditions() -> None:
    known = {condition.name: condition for condition in CONDITIONS}
    for path in study.OUT.glob("*/*/results.json"):
        results = Results.read(path)
        for setting in ("label_noise", "model", "epochs", "train_samples", "precision"):
            assert results.config[setting] == getattr(known[path.parent.parent.name], setting)
