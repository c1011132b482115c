"""The tables of the README: what losses gave, and what commands took and said."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.markdown import difference_text, numbers_table
from benchmarks.harness.results import read_record
from evoloss.compare.results import FILE_NAME, Results
from evoloss.report.tables import NOTHING

COMMANDS = "commands.json"
"""File of what each command took and said."""
ADDED = "-wrong40"
"""Ending of a run whose labels were made wrong."""
BASELINE = "cross_entropy"


def lines(out: Path, titles: Mapping[str, str], mechanics: Sequence[str]) -> list[str]:
    """All tables, as far as the study has been run.

    Args:
        out: folder of the results.
        titles: situations in their order, and what readers are told of them.
        mechanics: those whose accuracy means nothing.
    """
    record = read_record(out / COMMANDS)
    runs = {
        run: Results.read(out / run / FILE_NAME)
        for name in titles
        for run in (name, name + ADDED)
        if run in record
    }
    if not runs:
        return ["No comparison has ended yet."]
    shown = {run: found for run, found in runs.items() if record[run]["situation"] not in mechanics}
    return [
        *("### What losses gave", "", *accuracies(shown)),
        *("", "### Over the comparisons", "", *overall(shown)),
        *("", "### Commands", "", *commands(record, runs, titles)),
        *("", "### What was warned of", "", *warnings(record, runs)),
    ]


def labels_of(run: str, results: Results) -> str:
    """The labels of a run in a word or two."""
    added = results.runs[0].label_noise
    if added:
        return f"{100 * added:g} % wrong, validation too"
    return "40 % wrong in the file" if run == "digits-npz" else "right"


def accuracies(runs: Mapping[str, Results]) -> list[str]:
    """Accuracy of cross-entropy, and points of each other loss over it."""
    losses = _losses(runs.values())
    heads = ("situation", "labels", "training rows", "test rows", f"{BASELINE}, %", *losses)
    body = []
    for run, results in runs.items():
        means = {row.loss: row.mean_test_accuracy for row in results.losses}
        points = {row.loss: difference_text(row) for row in results.summary}
        sizes = (f"{results.runs[0].n_train:,}", f"{results.runs[0].n_test:,}")
        cells = (points.get(loss, NOTHING) for loss in losses)
        name = run.removesuffix(ADDED)
        body.append((name, labels_of(run, results), *sizes, f"{means[BASELINE]:.1f}", *cells))
    return numbers_table(heads, body)


def overall(runs: Mapping[str, Results]) -> list[str]:
    """Mean and median of the points of each loss, where labels are right and where they are not."""
    groups = {
        "right labels": {run: found for run, found in runs.items() if labels_of(run, found) == "right"},
        "40 % wrong": {run: found for run, found in runs.items() if labels_of(run, found) != "right"},
    }
    measures = [f"{name}, {what}" for name in groups for what in ("mean", "median", "worst")]
    body = []
    for loss in _losses(runs.values()):
        cells = []
        for group in groups.values():
            points = {run: _points(found, loss) for run, found in group.items()}
            if not points:
                cells += [NOTHING] * 3
                continue
            worst = min(points, key=lambda run: points[run])
            middle = statistics.fmean(points.values()), statistics.median(points.values())
            cells += [*(f"{value:+.1f}" for value in middle), f"{points[worst]:+.1f} {_short(worst)}"]
        body.append((loss, *cells))
    numbers = ", ".join(f"{len(group)} with {name}" for name, group in groups.items())
    return [*numbers_table(("loss", *measures), body), "", f"Comparisons: {numbers}, each counted once."]


def commands(record: Mapping[str, Any], runs: Mapping[str, Results], titles: Mapping[str, str]) -> list[str]:
    """What is different in each command, its time, and what was looked at afterwards."""
    body = []
    for run in runs:
        entry = record[run]
        words = entry["command"].split(" --losses ")[0].split(f"--out cmp-{run} ")[1]
        time = f"{entry['seconds']:.0f} ({entry['cpu_seconds']:.0f})"
        body.append((run, titles[entry["situation"]], f"`{words}`", time, _steps(runs[run])))
    heads = ("comparison", "what", "`evoloss compare --out OUT` ...", "seconds (of processor)", "steps a run")
    looked = [f"- {run}: {_looked(record[run]['found'])}" for run in runs if record[run].get("found")]
    return [*numbers_table(heads, body), "", "Looked at afterwards:", "", *looked]


def warnings(record: Mapping[str, Any], runs: Mapping[str, Results]) -> list[str]:
    """Each kind of warning that commands printed, as the first had it, and all comparisons that have it."""
    found: dict[str, tuple[str, list[str]]] = {}
    for run in runs:
        for text in (*record[run]["warnings"], *record[run]["stderr"]):
            found.setdefault(re.sub(r"\d[\d,.]*", "N", text), (text, []))[1].append(run)
    if not found:
        return ["Nothing."]
    return [f"- *{text}*\n  ({', '.join(names)})" for text, names in found.values()]


def _losses(results: Iterable[Results]) -> list[str]:
    named = (row.loss for found in results for row in found.losses if row.loss != BASELINE)
    return list(dict.fromkeys(named))


def _points(results: Results, loss: str) -> float:
    return next(row.mean_difference for row in results.summary if row.loss == loss)


def _short(run: str) -> str:
    return run.removesuffix(ADDED)


def _steps(results: Results) -> str:
    run = results.runs[0]
    return f"{run.epochs * max(1, run.n_train // run.batch_size)}"


def _looked(found: Mapping[str, Any]) -> str:
    return "; ".join(f"{name.replace('_', ' ')}: {_value(value)}" for name, value in found.items())


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else f"{value}"
