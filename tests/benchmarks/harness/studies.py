"""A small study with made-up results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.harness.accuracy_study import Condition, Study
from evoloss.losses import LOSSES
from evoloss.losses.resolve import resolve_loss
from evoloss.training.fingerprints import fingerprint_loss
from tests.compare.runs import make_results, make_run, make_tuning_run

RATES = (0.1, 0.3, 1.0)
SITUATIONS = {"clean": ("clean",), "noise": ("noisy", "noisier")}


def make_condition(name: str, **changes: Any) -> Condition:
    values: dict[str, Any] = {
        "title": f"{name} labels",
        "dataset": "digits",
        "model": "cnn",
        "train_samples": None,
        "epochs": 2,
        "lr_grid": RATES,
        "seeds": 3,
        "validation_noise": name != "clean",
    }
    return Condition(name=name, **{**values, **changes})


def make_study(out: Path, losses: tuple[str, ...] = ("cross_entropy", "gce", "adaptive")) -> Study:
    conditions = tuple(make_condition(name) for name in ("clean", "noisy", "noisier"))
    return Study(conditions, (losses,), out, {})


def write_runs(folder: Path, accuracies: dict[str, tuple[float, ...]], **changes: Any) -> None:
    """Results of losses, one accuracy a seed; the best epoch of each run is half a point above the last."""
    known = {loss: fingerprint_loss(resolve_loss(loss)) for loss in accuracies if loss in LOSSES}
    runs = [
        make_run(loss, seed, accuracy, **{"loss_fingerprint": known.get(loss, "0" * 16), **changes})
        for loss, row in accuracies.items()
        for seed, accuracy in enumerate(row)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    most = max(len(row) for row in accuracies.values())
    config = {"losses": list(accuracies), "seeds": list(range(most)), "lr_grid": list(RATES), "tune_seeds": 1}
    make_results(runs=tuple(runs), config=config).write(folder / "results.json")


def write_tuning(folder: Path, best: dict[str, float], rates: tuple[float, ...] = RATES) -> None:
    """Tuning runs at some rates, of which one is the best."""
    runs = [
        make_tuning_run(loss, rate, 1_000_000, 90.0 if rate == right else 80.0)
        for loss, right in best.items()
        for rate in rates
    ]
    config = {"losses": list(best), "seeds": [0], "lr_grid": list(RATES), "tune_seeds": 1}
    folder.mkdir(parents=True, exist_ok=True)
    made = make_results(runs=(), tuning=tuple(runs), config=config, complete=False)
    made.write(folder / "results.json")
