"""Presets other than ``noise`` on real data: a loss evolved for a regime of each, on digits of that regime.

    python -m benchmarks.evolve.presets            # evolve, compare, write the table; goes on where it was
    python -m benchmarks.evolve.presets --write    # the table alone, from what is there

The searches see no data. The comparisons have ten seeds, the default learning rate and an MLP.
"""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness import command
from benchmarks.harness.accuracy_study import ALLOCATOR
from benchmarks.harness.comparison import compare_command, require_known, run_command
from benchmarks.harness.evolving import evolve_command
from benchmarks.harness.markdown import difference_text, numbers_table
from benchmarks.harness.page import replace_between
from benchmarks.harness.results import read_record, update_record
from evoloss.atomic_files import write_text
from evoloss.compare.results import FILE_NAME, Results
from evoloss.evolve.journal import Journal
from evoloss.evolve.presets import PRESETS
from evoloss.evolve.ranges import time_text
from evoloss.evolve.regime import Purpose
from evoloss.pretraining.checkpoint import CHECKPOINT_FILE

OUT = Path(__file__).parent / "results"
README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- presets: begin -->", "<!-- presets: end -->"
SEEDS, FIRST_SEED = 10, 100
"""Runs for each loss, with seeds that no other study has."""
BASELINE = "cross_entropy"
USED = "presets.json"
"""File of the seconds of processor that each search took."""


@dataclass(frozen=True, kw_only=True)
class Regime:
    """What the user of digits knows, and the comparison.

    Attributes:
        purpose: the preset.
        title: of the condition.
        known: options of ``evoloss evolve``.
        options: of ``evoloss compare``, beside those that all conditions share.
    """

    purpose: Purpose
    title: str
    known: Mapping[str, str]
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def losses(self) -> tuple[str, ...]:
        """Losses beside the evolved one."""
        return (BASELINE, "gce", "adaptive", PRESETS[self.purpose].recommended)


_SHAPE = {"classes": "10", "features": "64"}
REGIMES: dict[str, Regime] = {
    regime.purpose: regime
    for regime in (
        Regime(
            purpose="few-samples",
            title="digits, 50 a class, labels right, 60 epochs",
            known={**_SHAPE, "samples": "300-700"},
            options={"train-samples": 500, "epochs": 60},
        ),
        Regime(
            purpose="clean",
            title="digits, all, labels right, 15 epochs",
            known={**_SHAPE, "samples": "1000-1500"},
            options={"epochs": 15},
        ),
        Regime(
            purpose="memorisation",
            title="digits, all, 40 % of the labels wrong, 60 epochs",
            known={**_SHAPE, "samples": "1000-1500", "noise": "0.2-0.5"},
            options={"epochs": 60, "label-noise": 0.4},
        ),
    )
}
"""The conditions, by the preset."""


@dataclass(frozen=True, kw_only=True)
class PresetStudy:
    """Evolve and compare."""

    size: str = "4m"
    """Budget by which the size of a search is chosen."""
    budget: str = "4m"
    """Of a search; more than its size where the machine does other things too."""
    only: tuple[str, ...] = tuple(REGIMES)
    """Presets."""
    write: bool = False
    """Write the table from what is there, and run nothing."""
    out: Path = OUT
    """Folder of losses and results."""


def own_folder(settings: PresetStudy, name: str) -> Path:
    """The folder of the loss that is evolved with a preset."""
    return settings.out / f"own-{name}"


def comparison_folder(settings: PresetStudy, name: str) -> Path:
    """The folder of the comparison in a condition."""
    return settings.out / f"digits-{name}"


def evolution(settings: PresetStudy, name: str) -> list[str] | None:
    """The call of ``evoloss evolve``; None where the search has ended."""
    folder = own_folder(settings, name)
    if Journal(folder).ended_after is not None:
        return None
    resume = (folder / CHECKPOINT_FILE).exists()
    budget = settings.budget if resume else settings.size
    options = {"for": name, **REGIMES[name].known, "budget": budget, "out": folder}
    return evolve_command(options, resume=resume)


def comparison(settings: PresetStudy, name: str) -> list[str]:
    """The call of ``evoloss compare``."""
    regime = REGIMES[name]
    options = {
        **{"dataset": "digits", "model": "mlp", **regime.options},
        **{"threads": 1, "out": comparison_folder(settings, name)},
    }
    losses = (*regime.losses, str(own_folder(settings, name)))
    return compare_command(options, lr_grid=(), losses=losses, seeds=SEEDS, first_seed=FIRST_SEED)


def table(settings: PresetStudy) -> list[str]:
    """Accuracy of cross-entropy and points of the others over it, and what each search was."""
    heads = ("condition", "cross-entropy, %", "GCE", "`adaptive`", "shipped", "**evolved here**")
    gains, searches = [], []
    for name, regime in REGIMES.items():
        folder, compared = own_folder(settings, name), comparison_folder(settings, name)
        if Journal(folder).ended_after is None or not (compared / FILE_NAME).exists():
            gains.append((f"`{name}`: {regime.title}", *["not run yet"] * 5))
            continue
        results = Results.read(compared)
        means = {row.loss: row.mean_test_accuracy for row in results.losses}
        points = {row.loss: difference_text(row) for row in results.summary}
        cells = [points[loss] for loss in regime.losses[1:]] + [points[folder.name]]
        cells[2] = f"`{regime.losses[3]}` {cells[2]}"
        gains.append((f"`{name}`: {regime.title}", f"{means[BASELINE]:.1f}", *cells))
        used = read_record(settings.out / USED).get(name, {}).get("processor_seconds", math.nan)
        searches.append(_search_row(name, json.loads((folder / "summary.json").read_text()), used))
    heads_of_searches = (
        *("preset", "generations", "time", "of the processor", "fresh tasks"),
        *("over cross-entropy on them", "verdict"),
    )
    return [
        *numbers_table(heads, gains),
        *(["", *numbers_table(heads_of_searches, searches)] if searches else []),
    ]


def _search_row(name: str, summary: Mapping[str, Any], used: float) -> tuple[str, ...]:
    """What a search took, and its verdict on its own fresh tasks."""
    verdict = summary["evolve"]["verdict"]
    over = verdict["rows"][-1]["over_cross_entropy"]
    return (
        f"`{name}`",
        f"{summary['generations']}",
        time_text(summary["evolve"]["seconds"]),
        "–" if math.isnan(used) else time_text(used),
        f"{verdict['tasks']}",
        f"{over['mean']:+.1f} [{over['low']:+.1f}, {over['high']:+.1f}]",
        "worth it" if verdict["worth_it"] else f"use `{verdict['use']}`",
    )


def evolve(settings: PresetStudy, name: str) -> int:
    """Evolve the loss of a preset unless that has ended, and add up the processor's time; the status."""
    arguments = evolution(settings, name)
    if arguments is None:
        return 0
    before = _processor_seconds()
    if settings.size != settings.budget and "--resume" not in arguments:
        _begin(arguments, own_folder(settings, name))
        arguments = evolution(settings, name) or arguments
    status = run_command(arguments, environment=ALLOCATOR)
    path = settings.out / USED
    used = read_record(path).get(name, {}).get("processor_seconds", 0.0)
    update_record(path, name, {"processor_seconds": round(used + _processor_seconds() - before, 1)})
    return status or 0


def _begin(arguments: list[str], folder: Path) -> None:
    """Begin a search, whose size its budget decides, and stop it in its first generation."""
    process = subprocess.Popen(arguments, env={**os.environ, **ALLOCATOR})
    while process.poll() is None and not (folder / CHECKPOINT_FILE).exists():
        time.sleep(0.1)
    process.terminate()  # a job in the background ignores interrupts
    process.wait()


def _processor_seconds() -> float:
    """Of the commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(settings: PresetStudy) -> int:
    """Evolve and compare what is missing, and write the table; the status of the first command that fails."""
    require_known("preset", settings.only, REGIMES)
    for name in () if settings.write else settings.only:
        status = evolve(settings, name) or run_command(comparison(settings, name), environment=ALLOCATOR)
        if status:
            return status
    write_text(README, replace_between(README.read_text(), BEGIN, END, table(settings)))
    return 0


if __name__ == "__main__":
    command.run(PresetStudy, main)
