"""What known losses do on the synthetic tasks of each prior: do those tell losses apart as real data does?

    python -m benchmarks.priors --out benchmarks/results/priors.json

For each prior the groups that a search is stopped by (``evoloss.pretraining.held_out_tasks``), with more of
them if asked for. Every loss is judged at its best of two learning rates. Differences to cross-entropy in
points of test accuracy, mean and standard error over tasks.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from evoloss.atomic_files import write_text
from evoloss.fitness import (
    KNOWN_SLOPES,
    PRIORS,
    Students,
    draw_group,
    tabulate_functions,
)
from evoloss.fitness.loss_slopes import SlopeFunctions, gce_slopes, label_smoothing_slopes
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.held_out_tasks import held_out_units
from evoloss.random_streams import stream

LOSSES: dict[str, Callable[[int], SlopeFunctions]] = {
    **KNOWN_SLOPES,
    "label_smoothing 0.3": lambda n_classes: label_smoothing_slopes(n_classes, 0.3),
    "gce 0.3": lambda n_classes: gce_slopes(0.3),
    "mae": lambda n_classes: (torch.zeros_like, lambda log_p: -log_p.exp()),
    "poly1": lambda n_classes: (torch.zeros_like, lambda log_p: -1 - log_p.exp()),
    "brier": lambda n_classes: (
        lambda log_p: 2 * (2 * log_p).exp(),
        lambda log_p: -2 * (1 - log_p.exp()) * log_p.exp(),
    ),
}
"""Slopes of classwise losses by name, cross-entropy first."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Judge known losses on the priors' tasks."""

    out: Path = Path("benchmarks/results/priors.json")
    """Where the results go."""
    groups: int = 16
    """Groups of eight tasks a prior, half of them long."""
    rates: int = 2
    """Learning rates to choose from."""


def judge(prior: str, groups: int, rates: int) -> dict[str, Any]:
    """Differences to cross-entropy on short and long tasks, by loss."""
    config = PretrainConfig(fitness="learnability", prior=prior, eval_groups=groups, rates=rates)  # type: ignore[arg-type]
    found: dict[str, list[torch.Tensor]] = {"short": [], "long": []}
    for unit in held_out_units(config, "stop"):
        generator = stream(unit.seed, *unit.labels, unit.group)
        group = draw_group(unit.prior, unit.tasks, generator, long=unit.long, rates=rates)
        n_classes = group.tasks.n_classes
        tables = tabulate_functions(
            [make(n_classes) for make in LOSSES.values()], n_classes, like=group.tasks.x, canonical=True
        )
        accuracy = Students(group.config, group.tasks, group.plan).train(tables).test_accuracy[-1]
        accuracy = 100 * accuracy.nan_to_num(nan=1 / n_classes)
        found["long" if unit.long else "short"].append(accuracy.view(len(LOSSES), -1, rates).amax(dim=2))
    return {kind: _summary(torch.cat(parts, dim=1)) for kind, parts in found.items()}


def _summary(accuracy: torch.Tensor) -> dict[str, Any]:
    rows = {}
    for name, row in zip(LOSSES, accuracy - accuracy[:1], strict=True):
        values = row.tolist()
        rows[name] = {
            "mean": round(statistics.fmean(values), 3),
            "se": round(statistics.stdev(values) / math.sqrt(len(values)), 3),
        }
    return {
        "tasks": accuracy.shape[1],
        "cross_entropy_accuracy": round(float(accuracy[0].mean()), 2),
        "difference": rows,
    }


def main(command: Command) -> None:
    """Judge, print, write."""
    assert next(iter(LOSSES)) == "cross_entropy"
    torch.set_num_threads(1)
    results = {prior: judge(prior, command.groups, command.rates) for prior in PRIORS}
    for prior, kinds in results.items():
        for kind, row in kinds.items():
            differences = "  ".join(
                f"{name} {each['mean']:+.1f}±{each['se']:.1f}" for name, each in row["difference"].items()
            )
            print(f"{prior}, {kind}: cross-entropy {row['cross_entropy_accuracy']:.1f} %; {differences}")
    record = {"groups": command.groups, "rates": command.rates, "priors": results}
    write_text(command.out, json.dumps(record, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Command, description=__doc__))
