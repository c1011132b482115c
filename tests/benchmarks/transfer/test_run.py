from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tyro

from benchmarks.harness import accuracy_study
from benchmarks.harness.accuracy_study import Step, describe
from benchmarks.harness.comparison import available
from benchmarks.transfer import run as transfer
from benchmarks.transfer.conditions import CONDITIONS, PAPER, STAGES
from benchmarks.transfer.run import CORE_SEEDS, CORE_STAGES, TransferStudy, main, plan
from evoloss.cli.compare import CompareCommand
from evoloss.compare.results import Results
from evoloss.errors import UnknownNameError
from evoloss.losses import LOSSES
from evoloss.losses.resolve import resolve_loss
from evoloss.training.fingerprints import fingerprint_loss
from evoloss.zoo import SHIPPED
from tests.compare.runs import make_results, make_run, make_tuning_run


def test_every_known_loss_takes_part_once_and_cross_entropy_comes_first() -> None:
    names = [name for stage in STAGES for name in stage]
    assert names[0] == "cross_entropy"
    assert len(names) == len(set(names))
    assert {*LOSSES, *PAPER, *SHIPPED} == set(names)


def test_conditions_are_well_formed() -> None:
    assert len({condition.name for condition in CONDITIONS}) == len(CONDITIONS)
    for condition in CONDITIONS:
        assert list(condition.lr_grid) == sorted(condition.lr_grid)
        assert condition.seconds > 0
        assert condition.label_noise > 0 or condition.noise_kind == "symmetric"


def test_the_core_fits_its_budget() -> None:
    """An hour and a half of one core, counted with all losses, shipped or not yet."""
    seconds = 0.0
    for condition in CONDITIONS:
        if condition.core:
            runs = len(condition.lr_grid) * condition.tune_seeds + min(condition.seeds, CORE_SEEDS)
            seconds += sum(len(stage) for stage in STAGES[:CORE_STAGES]) * runs * condition.seconds
    assert 40 < seconds / 60 < 90


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_each_step_is_a_comparison_that_the_command_line_takes(tmp_path: Path, condition) -> None:
    step = next(plan(TransferStudy(only=(condition.name,), out=tmp_path)))
    arguments = step.command(workers=2)
    assert arguments[1:4] == ["-m", "evoloss", "compare"]
    parsed = tyro.cli(CompareCommand, args=arguments[4:])
    assert parsed.tune_lr
    assert parsed.losses == step.losses
    assert parsed.lr_grid == condition.lr_grid
    assert (parsed.label_noise, parsed.epochs) == (condition.label_noise, condition.epochs)
    assert (parsed.executor, parsed.workers, parsed.threads) == ("processes", 2, 1)
    assert parsed.out == tmp_path / condition.name
    assert "--executor" not in step.command(workers=1)


def test_first_losses_have_their_turn_in_every_condition_before_the_others(tmp_path: Path) -> None:
    steps = list(plan(TransferStudy(only=("digits-clean", "digits-sym40"), out=tmp_path)))
    assert [step.condition.name for step in steps] == ["digits-clean", "digits-sym40"] * 3
    assert steps[0].losses == available(STAGES[0], PAPER)
    assert steps[-1].losses == available((name for stage in STAGES for name in stage), PAPER)


def test_losses_and_seeds_that_are_there_stay_in_the_plan(tmp_path: Path) -> None:
    losses = {"losses": ["cross_entropy", "gce", "mae"], "seeds": list(range(7))}
    earlier = make_results(config={**make_results().config, **losses})
    earlier = replace(
        earlier, runs=tuple(replace(run, loss_fingerprint=_hash(run.loss)) for run in earlier.runs)
    )
    earlier.write(tmp_path / "digits-sym40" / "results.json")
    first = next(plan(TransferStudy(only=("digits-sym40",), losses=("focal",), out=tmp_path)))
    assert first.losses == ("cross_entropy", "gce", "focal", "mae")
    assert first.seeds == 7
    assert first.done == 9
    shown = describe([first])
    assert str(first.planned) in shown
    assert " 9 " in shown


def test_the_core_has_few_seeds_and_keeps_those_that_are_there(tmp_path: Path) -> None:
    assert {condition.name: condition.seeds for condition in CONDITIONS}["digits-50"] > CORE_SEEDS
    settings = TransferStudy(only=("digits-50",), core=True, out=tmp_path)
    assert next(plan(settings)).seeds == CORE_SEEDS
    assert next(plan(replace(settings, seeds=3))).seeds == 3
    make_results(config={**make_results().config, "seeds": list(range(9))}).write(
        tmp_path / "digits-50" / "results.json"
    )
    assert next(plan(settings)).seeds == 9


def test_directories_are_losses_too_and_keep_their_place_by_name(tmp_path: Path) -> None:
    saved = tmp_path / "mine"
    saved.mkdir()
    settings = TransferStudy(only=("digits-50",), losses=(str(saved), "gce"), out=tmp_path)
    assert next(plan(settings)).losses == ("cross_entropy", "gce", str(saved))
    config = {**make_results().config, "losses": ["cross_entropy", "gce", "mine"]}
    make_results(config=config).write(tmp_path / "digits-50" / "results.json")
    assert next(plan(settings)).losses == ("cross_entropy", "gce", str(saved))


def test_unknown_condition(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"digits-sym4.*Did you mean"):
        list(plan(TransferStudy(only=("digits-sym4",), out=tmp_path)))


def test_a_dry_run_runs_nothing(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(accuracy_study, "run_command", lambda *_, **__: pytest.fail("something was run"))
    assert main(TransferStudy(dry_run=True, out=tmp_path)) == 0
    assert "core-minutes" in capsys.readouterr().out


def _recorded(monkeypatch: pytest.MonkeyPatch, status: int) -> list[list[str]]:
    """Run nothing; the commands that would have been run."""
    calls: list[list[str]] = []

    def record(arguments: list[str], **_: object) -> int:
        calls.append(arguments)
        return status

    monkeypatch.setattr(accuracy_study, "run_command", record)
    return calls


def _hash(loss: str) -> str:
    return fingerprint_loss(resolve_loss(loss))


def _fill(step: Step, *, changed: str = "") -> None:
    """Write the results of a step, of a loss that has changed since among them."""
    runs, tuning = [], []
    for loss in step.losses:
        hashed = "0" * 16 if loss == changed else _hash(loss)
        runs += [make_run(loss, seed, loss_fingerprint=hashed) for seed in range(step.seeds)]
        tuning += [
            replace(make_tuning_run(loss, rate, seed, 90.0), loss_fingerprint=hashed)
            for rate in step.condition.lr_grid
            for seed in range(step.condition.tune_seeds)
        ]
    config = {"losses": list(step.losses), "seeds": list(range(step.seeds))}
    make_results(runs=tuple(runs), tuning=tuple(tuning), config=config).write(step.out / "results.json")


def test_a_condition_that_fails_stops_the_protocol_and_one_that_is_done_is_left_out(
    tmp_path: Path, monkeypatch
) -> None:
    calls = _recorded(monkeypatch, status=3)
    monkeypatch.setattr(
        transfer, "CONDITIONS", tuple(replace(condition, seeds=3) for condition in CONDITIONS)
    )
    settings = TransferStudy(only=("digits-50",), losses=("gce",), seeds=1, out=tmp_path)
    assert main(settings) == 3
    assert len(calls) == 1
    step = next(plan(settings))
    _fill(step)
    assert step.done == step.planned
    assert main(settings) == 0
    assert len(calls) == 1


def test_a_loss_that_has_changed_is_not_done(tmp_path: Path, monkeypatch) -> None:
    calls = _recorded(monkeypatch, status=0)
    settings = TransferStudy(only=("digits-50",), losses=("evolved-base",), out=tmp_path)
    step = next(plan(settings))
    _fill(step, changed="evolved-base")
    assert step.done == step.planned // 2
    assert main(settings) == 0
    assert len(calls) == 1


def test_a_loss_that_is_no_longer_shipped_leaves_the_results(tmp_path: Path, monkeypatch, capsys) -> None:
    _recorded(monkeypatch, status=0)
    settings = TransferStudy(only=("digits-50",), losses=("evolved-base",), out=tmp_path)
    step = next(plan(settings))
    runs = tuple(make_run(loss, seed) for loss in ("cross_entropy", "gone", "gce") for seed in range(2))
    tuned = tuple(make_tuning_run(loss, 0.1, 0, 90.0) for loss in ("cross_entropy", "gone"))
    config = {"losses": ["cross_entropy", "gone", "gce"], "seeds": [0, 1]}
    make_results(runs=runs, tuning=tuned, config=config).write(step.out / "results.json")
    assert main(settings) == 0
    assert "without gone" in capsys.readouterr().out
    left = Results.read(step.out)
    assert left.config["losses"] == ["cross_entropy", "gce"]
    assert {run.loss for run in left.runs} == {"cross_entropy", "gce"}
    assert {run.loss for run in left.tuning} == {"cross_entropy"}
