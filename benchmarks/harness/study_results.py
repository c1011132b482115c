"""The results of an accuracy study so far: every condition's runs, and points over cross-entropy."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.harness.accuracy_study import Condition, Study
from evoloss.compare.inference import t_interval
from evoloss.compare.results import FILE_NAME, Results
from evoloss.compare.statistics import LossSummary, PairedDifference, paired_differences, summarise_losses
from evoloss.compare.tuning import Edge
from evoloss.errors import EvolossError, ResultsError
from evoloss.losses.resolve import resolve_loss
from evoloss.training import RunResult
from evoloss.training.fingerprints import fingerprint_loss

BASELINE = "cross_entropy"


@dataclass(frozen=True)
class Measured:
    """The runs of a condition.

    Attributes:
        condition: what was run.
        runs: those that have ended, of all files of the condition.
        edges: losses whose learning rate was chosen at an end of its grid.
        outdated: losses whose runs are of a version that is not today's.
    """

    condition: Condition
    runs: tuple[RunResult, ...]
    edges: Mapping[str, Edge]
    outdated: frozenset[str] = frozenset()

    @cached_property
    def losses(self) -> dict[str, LossSummary]:
        """Every loss over its seeds, the best mean first."""
        rows = sorted(summarise_losses(self.runs), key=lambda row: -row.mean_test_accuracy)
        return {row.loss: row for row in rows}

    @cached_property
    def differences(self) -> dict[str, PairedDifference]:
        """Every other loss less cross-entropy, seed by seed, last epoch against last epoch."""
        return {row.loss: row for row in paired_differences(self.runs, BASELINE)}

    def over_best_epoch(self, loss: str) -> tuple[float, float | None] | None:
        """The last epoch of a loss less cross-entropy's best epoch: mean and half the 95 % interval.

        None without a common seed; no interval below three.
        """
        best = {run.seed: run.best_test_accuracy for run in self.runs if run.loss == BASELINE}
        found = []
        for run in self.runs:
            reference = best.get(run.seed)
            if run.loss == loss and run.test_accuracy is not None and reference is not None:
                found.append(run.test_accuracy - reference)
        if not found:
            return None
        interval = t_interval(found)
        return statistics.fmean(found), None if interval is None else (interval[1] - interval[0]) / 2


@dataclass(frozen=True)
class Overall:
    """A loss over conditions: points over cross-entropy.

    Attributes:
        loss: its name.
        points: by condition.
        seeds: the fewest that a condition has.
    """

    loss: str
    points: dict[str, float]
    seeds: int

    @property
    def mean(self) -> float:
        """Over conditions, each counted once."""
        return statistics.fmean(self.points.values())

    @property
    def median(self) -> float:
        """Over conditions."""
        return statistics.median(self.points.values())

    @property
    def worst(self) -> tuple[str, float]:
        """The condition with the fewest points."""
        return min(self.points.items(), key=lambda item: item[1])

    @property
    def left_out(self) -> tuple[float, float] | None:
        """Lowest and highest mean when any one condition is left out; None with one condition."""
        values, n = list(self.points.values()), len(self.points)
        if n < 2:
            return None
        means = [(sum(values) - value) / (n - 1) for value in values]
        return min(means), max(means)

    def over(self, conditions: tuple[str, ...]) -> tuple[float, int] | None:
        """The mean over some conditions, and how many of them there are; None without any."""
        found = [self.points[name] for name in conditions if name in self.points]
        return (statistics.fmean(found), len(found)) if found else None


def load(study: Study) -> dict[str, Measured]:
    """Every condition with a run that has ended, in the order of the study.

    Raises:
        ResultsError: if a file is damaged, or a loss has been run at two rates in one condition.
    """
    found = {}
    today: dict[str, str | None] = {}
    for condition in study.conditions:
        folder = study.out / condition.name
        paths = [folder / FILE_NAME, *sorted(folder.glob(f"lr-*/{FILE_NAME}"))]
        results = [Results.read(path) for path in paths if path.exists()]
        runs = tuple(run for result in results for run in result.runs)
        _require_one_rate(folder, runs)
        if runs:
            edges = {loss: edge for result in results for loss, edge in result.edges.items()}
            for run in runs:
                if run.loss not in today:
                    today[run.loss] = _fingerprint(study, run.loss)
            old = frozenset(run.loss for run in runs if today[run.loss] not in (None, run.loss_fingerprint))
            found[condition.name] = Measured(condition, runs, edges, old)
    return found


def _fingerprint(study: Study, loss: str) -> str | None:
    """The fingerprint of a loss as it is today; None if this version does not have it."""
    try:
        return fingerprint_loss(resolve_loss(study.argument(loss)))
    except EvolossError:
        return None


def _require_one_rate(folder: Path, runs: Iterable[RunResult]) -> None:
    rates: dict[str, float] = {}
    for run in runs:
        if rates.setdefault(run.loss, run.lr) != run.lr:
            raise ResultsError(
                f"{folder} has runs of {run.loss} at the learning rates {rates[run.loss]:g} and {run.lr:g}; "
                "one is expected: move the folder of the rate that no longer holds away"
            )


def overall(measured: Mapping[str, Measured]) -> list[Overall]:
    """Every loss over its conditions; those with most conditions first, then by their mean."""
    rows: dict[str, dict[str, PairedDifference]] = {}
    for name, found in measured.items():
        for loss, row in found.differences.items():
            rows.setdefault(loss, {})[name] = row
    table = [
        Overall(
            loss,
            {name: row.mean_difference for name, row in by_condition.items()},
            min(row.n_seeds for row in by_condition.values()),
        )
        for loss, by_condition in rows.items()
    ]
    return sorted(table, key=lambda row: (-len(row.points), -row.mean))
