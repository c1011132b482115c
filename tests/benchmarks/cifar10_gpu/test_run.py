from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import get_args

import pytest
import tyro

from benchmarks.cifar10_gpu import run as study
from benchmarks.cifar10_gpu.conditions import CONDITIONS, Model, Name
from benchmarks.cifar10_gpu.run import Cifar10Gpu, comparison, main, passes, report
from evoloss.cli.compare import CompareCommand
from evoloss.data import load_dataset
from evoloss.errors import ConfigError, DataError
from tests.compare.runs import make_results, make_tuning_run


def _parsed(**settings) -> CompareCommand:
    options = Cifar10Gpu(**settings)
    arguments = comparison(options, passes(options)[-1])
    assert arguments[:4] == [sys.executable, "-m", "evoloss", "compare"]
    return tyro.cli(CompareCommand, args=arguments[4:])


@pytest.mark.parametrize("condition", get_args(Name))
@pytest.mark.parametrize("model", get_args(Model))
def test_each_condition_is_a_comparison_that_the_command_line_takes(condition: Name, model: Model) -> None:
    parsed = _parsed(condition=condition, model=model)
    assert (parsed.dataset, parsed.model, parsed.precision) == (("cifar10",), model, "bf16-mixed")
    assert parsed.validation * 50_000 == 5000
    assert parsed.tune_lr
    assert parsed.executor == "processes"
    assert parsed.losses[0] == "cross_entropy"
    assert parsed.out.name == f"{condition}-{model}"
    assert len(parsed.seeds) >= (10 if parsed.label_noise == 0 else 5)
    assert parsed.label_noise == {"noise40": 0.4, "noise80": 0.8, "asym40": 0.4}.get(condition, 0.0)
    assert parsed.noise_kind == ("asymmetric" if condition == "asym40" else "symmetric")
    assert parsed.validation_noise == bool(parsed.label_noise)
    assert parsed.losses[1] == "adaptive"


def test_every_condition_is_planned() -> None:
    assert set(CONDITIONS) == set(get_args(Name))


def test_losses_and_seeds_of_the_user() -> None:
    parsed = _parsed(condition="noise40", losses=("mae",), seeds=3)
    assert parsed.losses == ("cross_entropy", "mae")
    assert parsed.seeds == (0, 1, 2)


def test_every_loss_has_one_seed_before_any_has_two() -> None:
    assert passes(Cifar10Gpu(condition="clean")) == [1, 2, 3, 5, 10]
    assert passes(Cifar10Gpu(condition="asym40")) == [1, 2, 3, 5]
    assert passes(Cifar10Gpu(condition="asym40", seeds=4)) == [1, 2, 3, 4]
    assert passes(Cifar10Gpu(condition="clean", toy=True)) == [1, 2]


@pytest.mark.parametrize(("statuses", "calls", "ended"), [([0, 0, 0], 3, 0), ([0, None], 2, 0), ([3], 1, 3)])
def test_what_the_minutes_allow(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys,
    statuses: list[int | None],
    calls: int,
    ended: int,
) -> None:
    seen: list[tuple[float, int]] = []

    def run_command(arguments: list[str], *, seconds: float) -> int | None:
        seen.append((seconds, len(arguments) - 1 - arguments.index("--seeds")))
        return statuses[len(seen) - 1]

    monkeypatch.setattr(study, "run_command", run_command)
    assert main(Cifar10Gpu(condition="noise40", out=tmp_path, minutes=2.0, seeds=3)) == ended
    assert len(seen) == calls
    assert all(0 < seconds <= 120 for seconds, _ in seen)
    assert ("The time is over" in capsys.readouterr().out) == (None in statuses)


def test_a_toy_is_tiny_and_needs_no_device() -> None:
    parsed = _parsed(condition="clean", toy=True)
    assert (parsed.accelerator, parsed.train_samples, len(parsed.lr_grid)) == ("cpu", 200, 1)
    assert parsed.out.name == "clean-resnet20-toy"


def test_time_has_to_be_given() -> None:
    with pytest.raises(ConfigError, match="minutes must be above 0"):
        Cifar10Gpu(condition="clean", minutes=0.0)


def test_report_of_what_is_there(tmp_path: Path) -> None:
    assert report(tmp_path) == "No run has ended yet."
    tuning = (make_tuning_run("gce", 0.1, 1_000_000, 80.0),)
    make_results(runs=(), tuning=tuning, complete=False).write(tmp_path / "results.json")
    assert report(tmp_path).startswith("1 tuning runs and 0 runs are done.")
    make_results(tuning=tuning).write(tmp_path / "results.json")
    assert "| gce |" in report(tmp_path)


@pytest.mark.slow
def test_a_toy_is_stopped_goes_on_and_ends(tmp_path: Path) -> None:
    try:
        load_dataset("cifar10")
    except DataError:
        pytest.skip("CIFAR-10 is not there")
    settings = Cifar10Gpu(condition="asym40", toy=True, out=tmp_path)
    assert main(Cifar10Gpu(condition="asym40", toy=True, out=tmp_path, minutes=1 / 60)) == 0
    assert main(settings) == 0
    document = json.loads((settings.folder / "results.json").read_text())
    assert document["complete"]
    assert len(document["runs"]) == 4
    assert {run["label_noise"] for run in document["runs"]} == {0.4}
    difference = document["summary"][0]["nll_scaled"]
    assert difference["ci_low"] is None, "no interval for two seeds"
    assert set(difference) > {"ci_low"}
    assert any(isinstance(value, float) for value in difference.values())
