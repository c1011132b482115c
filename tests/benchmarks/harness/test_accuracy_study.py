from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tyro

from benchmarks.harness.accuracy_study import BF16, describe, run_steps
from evoloss.cli.compare import CompareCommand
from tests.benchmarks.harness.studies import RATES, make_condition, make_study, write_runs


def test_about_how_long_a_run_takes() -> None:
    digits = make_condition("clean")
    assert replace(digits, precision="bf16-mixed").seconds == pytest.approx(BF16 * digits.seconds)
    assert replace(digits, epochs=4).seconds > 1.5 * digits.seconds
    table = make_condition("clean", dataset="wine", model="mlp", rows=(133, 45))
    assert table.seconds == pytest.approx(0.015e-3 * 120 * 2, rel=0.1)


def test_a_data_set_of_a_file_and_a_rate_for_all(tmp_path: Path) -> None:
    study = replace(make_study(tmp_path), files={"digits": tmp_path / "digits.npz"})
    step = study.step(study.conditions[1], ("gce", "gone"), 2, lr=0.3)
    assert (step.name, step.losses, step.planned) == ("noisy/lr-0.3", ("gce",), 2)
    parsed = tyro.cli(CompareCommand, args=step.command(workers=1)[4:])
    assert parsed.dataset == (str(tmp_path / "digits.npz"),)
    assert (parsed.tune_lr, parsed.lr, parsed.validation_noise) == (False, 0.3, True)
    tuned = study.step(study.conditions[0], ("gce",), 2)
    parsed = tyro.cli(CompareCommand, args=tuned.command(workers=1)[4:])
    assert (parsed.tune_lr, parsed.lr_grid, parsed.validation_noise) == (True, RATES, False)


def test_losses_of_a_condition_are_those_of_the_stages_or_its_own(tmp_path: Path) -> None:
    study = make_study(tmp_path, ("cross_entropy", "gce", "gone", "adaptive"))
    clean, noisy, _ = study.conditions
    study = replace(study, losses_of={"noisy": ("mae",)})
    assert study.planned_losses(clean) == ("cross_entropy", "gce", "adaptive")
    assert study.planned_losses(noisy) == ("mae",)
    assert study.planned_losses(replace(clean, stages=0)) == ()


def test_what_is_done_is_counted_by_the_losses_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(tmp_path)
    condition = replace(study.conditions[0], lr_grid=())
    write_runs(tmp_path / "clean/lr-0.1", {"gce": (90.0, 91.0)}, lr=0.1)
    steps = [study.step(condition, ("gce",), seeds, lr=0.1) for seeds in (1, 2, 3)]
    assert [(step.planned, step.done) for step in steps] == [(2, 2), (2, 2), (3, 2)]
    assert "clean/lr-0.1" in describe(steps)
    called: list[list[str]] = []

    def run(arguments: list[str], **_: object) -> int:
        called.append(arguments)
        return 3

    monkeypatch.setattr("benchmarks.harness.accuracy_study.run_command", run)
    assert run_steps(iter(steps), workers=1) == 3
    assert len(called) == 1
    write_runs(tmp_path / "clean/lr-0.1", {"gce": (90.0, 91.0)}, lr=0.1, loss_fingerprint="0" * 16)
    assert study.step(condition, ("gce",), 2, lr=0.1).done == 0, "of another gce"
