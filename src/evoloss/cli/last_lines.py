"""The last lines of ``evoloss compare``: what deserves a second look, what was written, what comes next."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

from evoloss.compare.estimate import Estimate
from evoloss.compare.keeping.csv_tables import as_it_was
from evoloss.compare.keeping.files import TREE_FILES, WEIGHTS_FILE
from evoloss.compare.keeping.suspect_files import DESCRIPTION_FILE, TABLE_FILE, WHERE
from evoloss.compare.results import FILE_NAME, Results
from evoloss.executors import ExecutorConfig
from evoloss.report.tables import counted, edge_names
from evoloss.safe_text import one_line

_FIRST = 3  # suspects that are named
_LETTERS = 100  # of a name


def last_lines(results: Results, out: Path, *, keep: str) -> list[str]:
    """Return the lines below the table.

    Args:
        results: of the comparison.
        out: its directory.
        keep: the runs that were to leave files: ``all``, ``first`` or ``none``.
    """
    lines = [*edge_lines(results), f"written: {out / FILE_NAME}"]
    folders = [run.kept for run in results.runs if run.kept is not None]
    if folders:
        lines += [
            "kept, of "
            + ("every run" if keep == "all" else "the first seed of each loss")
            + f", {_model_file(out / folders[0])}, predictions.csv, evaluation.json, suspects.csv (training "
            "labels, most suspect first) and command.txt:",
            *(line for folder in folders for line in (f"  {out / folder}", *_suspects(out / folder))),
        ]
    lines += without_files(results, keep)
    return [*lines, f"next: evoloss report {out} --html report.html"]


def _model_file(folder: Path) -> str:
    trees = [name for name in TREE_FILES if (folder / name).exists()]
    return trees[0] if trees else WEIGHTS_FILE


def plan_lines(found: Estimate, config: ExecutorConfig) -> list[str]:
    """Return what a dry run says: the runs, and their time.

    Args:
        found: the estimate.
        config: where the runs are to take place.
    """
    return [
        *(f"plan: {line}" for line in run_lines(found)),
        f"plan: {time_line(found.seconds, config)} in all; nothing was written",
    ]


def run_lines(found: Estimate) -> list[str]:
    """Return a line on the data, on the runs, and on the time of an epoch."""
    splits = found.dataset
    tuning = f" and {found.n_tuning:,} that choose learning rates" if found.n_tuning else ""
    more = f", and {found.n_more:,} trainings for held-out folds of suspects" if found.n_more else ""
    epochs = ", ".join(f"{one_line(name)} {value:.2g} s" for name, value in found.epoch_seconds.items())
    return [
        f"{one_line(splits.name)}, {splits.n_classes} classes, {len(splits.train):,} training, "
        f"{len(splits.validation):,} validation and {len(splits.test):,} test samples",
        f"{found.n_runs:,} reported runs{tuning}{more}; {found.n_done:,} of them are done",
        f"{'an' if found.unit == 'epoch' else 'a'} {found.unit} here and now: {epochs}",
    ]


def time_line(seconds: float, config: ExecutorConfig) -> str:
    """Say how long runs take one after the other, and beside each other where they do."""
    workers = 1 if config.executor == "serial" else config.workers or os.cpu_count() or 1
    beside = f" ({workers} at a time: about {duration(seconds / workers)})" if workers > 1 else ""
    return f"about {duration(seconds)}{beside}"


def duration(seconds: float) -> str:
    """Return a time in words: seconds, minutes, or hours and minutes.

    Example:
        >>> duration(1), duration(42), duration(600), duration(7260)
        ('1 second', '42 seconds', '10 minutes', '2 hours 1 minute')
    """
    if seconds < 90:
        return counted(max(1, round(seconds)), "second")
    minutes = round(seconds / 60)
    if minutes < 90:
        return counted(minutes, "minute")
    hours, left = divmod(minutes, 60)
    return counted(hours, "hour") + (f" {counted(left, 'minute')}" if left else "")


def edge_lines(results: Results) -> list[str]:
    """Warn of learning rates that were chosen at an end of their grid."""
    found = edge_names(results, {"lowest": "the lowest", "highest": "the highest"})
    if not found:
        return []
    return [
        f"warning: the best learning rate is an end of the grid for {', '.join(found)}; a better one may lie "
        "beyond: add rates to --lr-grid, or --widen-lr-grid, and call again: what is done is not done again"
    ]


def without_files(results: Results, keep: str) -> list[str]:
    """Say why runs left no files that were to."""
    first = {run.seed for run in results.runs[:1]}
    wanted = [run for run in results.runs if keep == "all" or (keep == "first" and run.seed in first)]
    lacking = [run for run in wanted if run.kept is None]
    diverged = sum(run.diverged for run in lacking)
    lines = []
    if diverged:
        lines.append(f"{diverged} diverged {_runs(diverged)} left no files")
    if len(lacking) > diverged:
        number = len(lacking) - diverged
        lines.append(
            f"{number} {_runs(number)} of before left no files, and what is done is not done again; for "
            "files choose another --out"
        )
    return lines


def _runs(number: int) -> str:
    return "run" if number == 1 else "runs"


def _suspects(folder: Path) -> list[str]:
    """Say where the first suspects are, and how good their order is where the noise is known."""
    lines = []
    try:
        with (folder / TABLE_FILE).open(encoding="utf-8", newline="") as file:
            rows = [row for row, _ in zip(csv.DictReader(file), range(_FIRST), strict=False)]
        first = [f"{_shown(row[WHERE])} ({_shown(row['label'])})" for row in rows]
        lines += [f"    most suspect: {'; '.join(first)}"] if first else []
        found = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
        lines.append(f"    average precision of the suspects: {found['average_precision']:.2f}")
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        pass  # there are none, or their noise is not known
    return lines


def _shown(cell: str) -> str:
    return one_line(as_it_was(cell), _LETTERS)
