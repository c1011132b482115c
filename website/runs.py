"""Every committed run of the accuracy studies, as one JSON document for the explorer.

    python -m website.runs --out build/runs.json

It reads the ``results.json`` of each condition of the studies ``benchmarks/*/conditions.py``. Nothing is
left out: a loss that was run in a condition is a cell of it.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.harness import command
from benchmarks.harness.accuracy_study import Condition
from evoloss._version import __version__
from evoloss.atomic_files import write_text
from evoloss.compare.inference import t_interval
from evoloss.compare.results import FILE_NAME
from evoloss.strict_json import parse_json

ROOT = Path(__file__).parents[1]
SCHEMA = 1
BASELINE = "cross_entropy"
_HUMAN = "human"  # labels that people gave


def studies() -> dict[str, tuple[Condition, ...]]:
    """The conditions of each study of accuracy on real data, by its name."""
    found = {}
    for path in sorted((ROOT / "benchmarks").glob("*/conditions.py")):
        conditions = getattr(import_module(f"benchmarks.{path.parent.name}.conditions"), "CONDITIONS", ())
        if all(isinstance(condition, Condition) for condition in conditions) and conditions:
            found[path.parent.name] = tuple(conditions)
    return found


@cache
def collect() -> dict[str, Any]:
    """The document: conditions, and a cell for each loss in each of them, with its runs.

    Differences to cross-entropy are paired by seed and in points of test accuracy, last epoch against last
    epoch, with the 95 % interval of their mean where there are three seeds.
    """
    conditions, cells = [], []
    for study, members in studies().items():
        for condition in members:
            files = [parse_json(path.read_bytes()) for path in _files(study, condition)]
            runs = [run for content in files for run in content["runs"]]
            if not runs:
                continue
            identity = f"{study}/{condition.name}"
            conditions.append(_described(identity, study, condition, runs))
            cells += [{"condition": identity, **cell} for cell in _cells(files, runs)]
    return {"schema": SCHEMA, "evoloss": __version__, "conditions": conditions, "cells": cells}


def _files(study: str, condition: Condition) -> Iterator[Path]:
    folder = ROOT / "benchmarks" / study / "results" / condition.name
    yield from (
        path for path in (folder / FILE_NAME, *sorted(folder.glob(f"lr-*/{FILE_NAME}"))) if path.exists()
    )


def _described(identity: str, study: str, condition: Condition, runs: list[dict[str, Any]]) -> dict[str, Any]:
    first = runs[0]
    noise = condition.noise_kind if condition.label_noise else "none"
    return {
        "id": identity,
        "study": study,
        "title": condition.title
        if condition.dataset in condition.title.lower().replace("-", "")
        else f"{_data_name(condition)}, {condition.title}",
        "data": _data_name(condition),
        "noise": _HUMAN if condition.train_labels else noise,
        "rate": None if condition.train_labels else condition.label_noise,
        "samples": first["n_train"],
        "test_samples": first["n_test"],
        "epochs": first["epochs"],
        "network": first["model"],
        "augmented": first["augment"] != "none",
        "noisy_validation": bool(first.get("validation_noise")),
        "command": f"python -m benchmarks.{study}.run --only {condition.name}",
    }


def _data_name(condition: Condition) -> str:
    return {"cifar10": "CIFAR-10"}.get(condition.dataset, condition.dataset)


def _cells(files: list[dict[str, Any]], runs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    reference = {run["seed"]: run["test_accuracy"] for run in runs if run["loss"] == BASELINE}
    grids = [content["config"]["lr_grid"] for content in files if content["config"].get("tune_lr")]
    for loss in dict.fromkeys(run["loss"] for run in runs):
        own = [run for run in runs if run["loss"] == loss]
        known = [run for run in own if run["test_accuracy"] is not None]
        differences = [
            run["test_accuracy"] - reference[run["seed"]]
            for run in known
            if reference.get(run["seed"]) is not None
        ]
        interval = t_interval(differences)
        yield {
            "loss": loss,
            "lr": own[0]["lr"],
            "edge": any(own[0]["lr"] in (min(grid), max(grid)) for grid in grids),
            "seeds": len(own),
            "accuracy": _mean(run["test_accuracy"] for run in known),
            "best_accuracy": _mean(run["best_test_accuracy"] for run in known),
            "nll": _mean((run["test_nll"] for run in known), 3),
            "ece": _mean((run["test_ece"] for run in known), 3),
            "difference": _mean(differences),
            "interval": None if interval is None else [round(end, 4) for end in interval],
            "runs": [_run(run) for run in own],
        }


def _run(run: dict[str, Any]) -> dict[str, Any]:
    curve = run["history"]["validation_accuracy"]
    return {
        "seed": run["seed"],
        "accuracy": _rounded(run["test_accuracy"]),
        "best_accuracy": _rounded(run["best_test_accuracy"]),
        "best_epoch": run["best_epoch"],
        "seconds": _rounded(run["train_seconds"], 1),
        # Epochs that were not evaluated are left out.
        "epochs": [epoch for epoch, value in enumerate(curve, start=1) if value is not None],
        "validation": [round(value, 1) for value in curve if value is not None],
    }


def _mean(values: Iterable[float | None], digits: int = 4) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.fmean(known), digits) if known else None


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)


def document() -> str:
    """The document as JSON, in one line."""
    return json.dumps(collect(), separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, kw_only=True)
class RunsDocument:
    """Write the document."""

    out: Path
    """The JSON file."""


def main(options: RunsDocument) -> None:
    """Write the file."""
    write_text(options.out, document())


if __name__ == "__main__":
    command.run(RunsDocument, main)
