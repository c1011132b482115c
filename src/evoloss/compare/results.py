"""The results file: what is in it, written in one piece and checked on the way in and out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from evoloss.atomic_files import write_text
from evoloss.compare.keeping.plan import is_folder
from evoloss.compare.statistics import (
    Contrast,
    LossSummary,
    PairedDifference,
    paired_differences,
    summarise_losses,
)
from evoloss.compare.tuning import Edge, rates_at_edges
from evoloss.errors import ResultsError
from evoloss.losses import NoiseRate
from evoloss.models import training_unit
from evoloss.own_files import holds_json
from evoloss.safe_text import one_line, quoted
from evoloss.sweeps.decoding import DecodeError, build
from evoloss.sweeps.documents import lay_out, parse_document, read_document
from evoloss.training import RunResult

SCHEMA = 1
"""Version of the layout; a reader refuses a higher one."""
FILE_NAME = "results.json"
OWN_FILES = {FILE_NAME: holds_json("schema", "runs", "losses")}
"""The mark by which the file is recognised; another of its name is not replaced."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """All that a comparison found.

    Attributes:
        config: the comparison, without paths.
        created_with: versions of evoloss, torch and Python, kind of machine.
        baseline: the loss that others are compared with.
        complete: whether all planned runs are there.
        runs: one record a training, see :class:`evoloss.training.RunResult`.
        tuning: the trainings that chose learning rates; their test values are None.
    """

    config: dict[str, Any]
    created_with: dict[str, str]
    baseline: str
    complete: bool
    runs: tuple[RunResult, ...]
    tuning: tuple[RunResult, ...] = ()

    @property
    def losses(self) -> list[LossSummary]:
        """Every loss over its seeds."""
        return summarise_losses(self.runs)

    @property
    def summary(self) -> list[PairedDifference]:
        """Every loss but the baseline against the baseline."""
        return paired_differences(self.runs, self.baseline)

    @property
    def edges(self) -> dict[str, Edge]:
        """Losses whose learning rate was chosen at an end of its grid."""
        return rates_at_edges(self.tuning, {run.loss: run.lr for run in self.runs})

    @property
    def unit(self) -> str:
        """Unit that the trainings go by: ``epoch``, or of trees ``round``."""
        return training_unit(str(self.config.get("model", "")))

    @property
    def judged(self) -> str:
        """The epoch or round of a training that counts, such as the ``last epoch``."""
        return self.runs[0].judged if self.runs else f"last {self.unit}"

    def write(self, path: Path) -> None:
        """Write the file atomically.

        Raises:
            ResultsError: if something in it breaks the schema; then nothing is written.
        """
        text = _dump(self)
        _parse(text, str(path))
        write_text(path, text)

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read a file, or the ``results.json`` of a directory.

        Raises:
            ResultsError: if it is missing, damaged, of a newer version, or breaks the schema.
        """
        path = path / FILE_NAME if path.is_dir() else path
        text = read_document(path, "evoloss compare --out DIR")
        return _parse(text, str(path))


@dataclass(frozen=True, kw_only=True)
class _Document:
    """The file as it is laid out."""

    schema: int
    complete: bool
    created_with: dict[str, str]
    config: dict[str, Any]
    baseline: str
    losses: tuple[LossSummary, ...]
    summary: tuple[PairedDifference, ...]
    runs: tuple[RunResult, ...]
    tuning: tuple[RunResult, ...]


NOT_WRITTEN = frozenset({"ci_low_holm", "ci_high_holm", "test_sampling_error", "mean_balanced_accuracy"})
"""Results that follow from the runs and stand in no file; its keys are those of every version."""


def written(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record, and those in it, without what stands in no file."""
    return {
        name: written(value) if isinstance(value, dict) else value
        for name, value in record.items()
        if name not in NOT_WRITTEN
    }


def _dump(results: Results) -> str:
    """Lay out as JSON with one line a record: short, and a pleasure to compare."""
    head = {
        "schema": SCHEMA,
        "complete": results.complete,
        "created_with": results.created_with,
        "config": results.config,
        "baseline": results.baseline,
    }
    tables: dict[str, list[dict[str, Any]]] = {
        "losses": [written(asdict(row)) for row in results.losses],
        "summary": [written(asdict(row)) for row in results.summary],
        "runs": [run.as_dict() for run in results.runs],
        "tuning": [run.as_dict() for run in results.tuning],
    }
    return lay_out(head, tables, "these results")


def _parse(text: str, where: str) -> Results:
    content = parse_document(text, where, kind="a results file", schema=SCHEMA)
    try:
        document = build(_Document, content)
        _check(document)
    except DecodeError as error:
        raise ResultsError(f"{where}: {one_line(error, 600)}") from error
    return Results(
        config=document.config,
        created_with=document.created_with,
        baseline=document.baseline,
        complete=document.complete,
        runs=document.runs,
        tuning=document.tuning,
    )


def _check(document: _Document) -> None:
    for index, run in enumerate(document.runs):
        check_run(run, f"runs[{index}]", tested=True)
    for index, run in enumerate(document.tuning):
        check_run(run, f"tuning[{index}]", tested=False)
    for name, runs in (("runs", document.runs), ("tuning", document.tuning)):
        keys = [(run.loss, run.lr, run.seed) for run in runs]
        if len(set(keys)) < len(keys):
            raise DecodeError(f"{name} holds the same loss, learning rate and seed twice")
    _check_derived("losses", document.losses, summarise_losses(document.runs))
    expected = paired_differences(document.runs, document.baseline)
    _check_derived("summary", document.summary, _tested_today(document.summary, expected))


_RANGES: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (
        (
            *("test_accuracy", "best_test_accuracy", "balanced_accuracy"),
            *("validation_accuracy", "best_validation_accuracy"),
        ),
        lambda v: 0 <= v <= 100,
        "in percent, 0 to 100",
    ),
    (("test_ece", "best_test_ece", "test_ece_scaled"), lambda v: 0 <= v <= 1, "0 to 1"),
    (
        ("test_nll", "best_test_nll", "test_nll_scaled", "validation_nll", "train_seconds"),
        lambda v: v >= 0,
        "at least 0",
    ),
    (("label_noise",), lambda v: 0 <= v < 1, "at least 0 and below 1"),
    (("lr", "temperature"), lambda v: v > 0, "above 0"),
    (("epochs", "batch_size", "n_train", "n_validation", "n_test"), lambda v: v >= 1, "at least 1"),
    (("n_classes",), lambda v: v >= 2, "at least 2"),
    (("seed",), lambda v: v >= 0, "at least 0"),
)


_ADDED = tuple(
    entry.name
    for entry in fields(RunResult)
    if entry.default is None and entry.name not in ("noise_rate", "early_stopping")
)
"""Test values that files from before they were measured do not have."""


def check_run(run: RunResult, where: str, *, tested: bool) -> None:
    """Raise :class:`DecodeError`, which names the place, where a value of a run is out of its range.

    Args:
        run: what was read.
        where: its place in the file.
        tested: whether it was judged on the test split; the others only choose a learning rate.
    """
    for names, holds, expected in _RANGES:
        for name in names:
            value = getattr(run, name)
            if value is not None and not holds(value):
                raise DecodeError(f"{where}.{name} is {value!r}; expected {expected}")
    for name in ("test_accuracy", "best_test_accuracy", "test_nll", "test_ece"):
        if (getattr(run, name) is None) is tested:
            raise DecodeError(f"{where}.{name} must {'not ' if tested else ''}be null")
    for name in _ADDED:
        if not tested and getattr(run, name) is not None:
            raise DecodeError(f"{where}.{name} must be null")
    _check_noise_rate(run.noise_rate, f"{where}.noise_rate")
    if run.kept is not None and not is_folder(run.kept):
        raise DecodeError(f"{where}.kept is {quoted(run.kept)}; expected a folder kept/LOSS/seed-N")
    seen = len(run.history.train_loss)
    if len(run.history.validation_accuracy) != seen or not 1 <= seen <= run.epochs:
        raise DecodeError(f"{where}.history does not have one entry for each {run.unit} that was run")
    if len(run.history.train_accuracy) not in (0, seen):
        raise DecodeError(f"{where}.history.train_accuracy does not have one entry for each {run.unit}")
    for name in ("validation_accuracy", "train_accuracy"):
        if any(value is not None and not 0 <= value <= 100 for value in getattr(run.history, name)):
            raise DecodeError(f"{where}.history.{name} is not in percent, 0 to 100")
    if not 0 <= run.best_epoch <= seen:
        raise DecodeError(f"{where}.best_epoch is {run.best_epoch}; expected 0 to {seen}")


def _check_noise_rate(rate: NoiseRate | None, where: str) -> None:
    if rate is None:
        return
    numbers = [value for value in (rate.low, rate.estimate, rate.high) if value is not None]
    if numbers != sorted(numbers) or not all(0 <= value <= 1 for value in numbers):
        raise DecodeError(f"{where} is {rate}; expected 0 <= low <= estimate <= high <= 1")
    if len(numbers) != (0 if rate.reason else 3):
        raise DecodeError(f"{where} must have three numbers, or none and a reason")


def _check_derived(name: str, found: Sequence[Any], expected: Sequence[Any]) -> None:
    """Refuse a table that does not follow from the runs: somebody changed one of the two.

    Fields with a default came later; an older file does not have them, which is None here.
    """
    if len(found) != len(expected):
        raise DecodeError(f"{name} has {len(found)} rows; {len(expected)} follow from the runs")
    for index, (row, right) in enumerate(zip(found, expected, strict=True)):
        for entry in fields(right):
            here, value = getattr(row, entry.name), getattr(right, entry.name)
            added = entry.default is None and here is None
            if not (added or _agree(here, value)):
                raise DecodeError(
                    f"{name}[{index}].{entry.name} is {quoted(here)}; {quoted(value)} follows from the runs"
                )


def _tested_today(
    found: Sequence[PairedDifference], expected: Sequence[PairedDifference]
) -> list[PairedDifference]:
    """The rows that a file has to have, also one from before tests needed three seeds and a spread.

    If some comparison of a family is not tested today, Holm counted it then, and none of the family's tests
    and intervals follow from the runs; they stay as they are in the file.
    """
    if len(found) != len(expected):
        return list(expected)
    names = ("best_accuracy", "nll", "nll_scaled")
    rows = [replace(row, **_earlier(own, row, expected)) for own, row in zip(found, expected, strict=True)]
    for name in names:
        family = [getattr(row, name) for row in expected]
        for place, (own, row) in enumerate(zip(found, rows, strict=True)):
            here, right = getattr(own, name), getattr(row, name)
            if here is not None and right is not None:
                rows[place] = replace(row, **{name: replace(right, **_earlier(here, right, family))})
    return rows


def _earlier(
    found: Contrast | PairedDifference,
    expected: Contrast | PairedDifference,
    family: Sequence[Contrast | PairedDifference | None],
) -> dict[str, Any]:
    """The tests and intervals that an earlier file is held to."""
    as_it_was: dict[str, Any] = {}
    if any(row is not None and row.p_value is None for row in family):
        as_it_was |= {name: getattr(found, name) for name in ("ci_low", "ci_high", "p_value", "p_holm")}
    return as_it_was


def _agree(found: object, expected: object) -> bool:
    if isinstance(found, float) and isinstance(expected, float):
        # Another version of scipy may differ in the last digits.
        return math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(found, Contrast) and isinstance(expected, Contrast):
        pairs = zip(written(asdict(found)).values(), written(asdict(expected)).values(), strict=True)
        return all(_agree(one, other) for one, other in pairs)
    return found == expected
