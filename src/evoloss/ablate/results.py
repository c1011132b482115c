"""The file of an ablation: what is in it, written in one piece and checked on the way in and out."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from evoloss.ablate.statistics import (
    AblationRun,
    Comparison,
    Effect,
    VariantSummary,
    compare_variants,
    summarise,
)
from evoloss.atomic_files import write_text
from evoloss.compare.results import written
from evoloss.errors import ResultsError
from evoloss.own_files import holds_json
from evoloss.safe_text import one_line, quoted
from evoloss.sweeps.decoding import DecodeError, build
from evoloss.sweeps.documents import lay_out, parse_document, read_document

SCHEMA = 1
"""Version of the layout; a reader refuses another."""
FILE_NAME = "ablation.json"
OWN_FILES = {FILE_NAME: holds_json("schema", "runs", "variants")}
"""The mark by which the file is recognised; another of its name is not replaced."""


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """All that an ablation found.

    Attributes:
        created_with: versions of evoloss, torch and Python, kind of machine.
        base: the pretraining configuration that all variants share.
        variants: settings of each variant that differ from the base.
        baseline: the variant that others are compared with.
        contrasts: further pairs that are compared, the second one being the reference.
        target: held-out consistency whose first reaching is timed.
        runs: one record a pretraining.
    """

    created_with: dict[str, str]
    base: dict[str, Any]
    variants: dict[str, dict[str, Any]]
    baseline: str
    contrasts: tuple[tuple[str, ...], ...]
    target: float
    runs: tuple[AblationRun, ...]

    @cached_property
    def summary(self) -> list[VariantSummary]:
        """Every variant over its seeds."""
        return summarise(self.runs, self.target)

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Every variant against the baseline, then the contrasts."""
        pairs = [(first, second) for first, second in self.contrasts]
        return compare_variants(self.runs, self.target, self.baseline, pairs)

    def at(self, target: float) -> Ablation:
        """The same runs, timed to another target."""
        return replace(self, target=target)

    def write(self, path: Path) -> None:
        """Write the file atomically.

        Raises:
            ResultsError: if something in it breaks the schema; then nothing is written.
        """
        text = _dump(self)
        _parse(text, str(path))
        write_text(path, text)

    @classmethod
    def read(cls, path: Path) -> Ablation:
        """Read a file, or the ``ablation.json`` of a directory.

        Raises:
            ResultsError: if it is missing, damaged, of another version, or breaks the schema.
        """
        path = path / FILE_NAME if path.is_dir() else path
        text = read_document(path, "evoloss ablate --out DIR")
        return _parse(text, str(path))


@dataclass(frozen=True, kw_only=True)
class _Document:
    """The file as it is laid out."""

    schema: int
    created_with: dict[str, str]
    base: dict[str, Any]
    variants: dict[str, dict[str, Any]]
    baseline: str
    contrasts: tuple[tuple[str, ...], ...]
    target: float
    summary: tuple[VariantSummary, ...]
    comparisons: tuple[Comparison, ...]
    runs: tuple[AblationRun, ...]


def _dump(ablation: Ablation) -> str:
    """Lay out as JSON with one line a record."""
    names = ("created_with", "base", "variants", "baseline", "contrasts", "target")
    head: dict[str, Any] = {"schema": SCHEMA, **{name: getattr(ablation, name) for name in names}}
    tables = {
        name: [written(asdict(row)) for row in getattr(ablation, name)]
        for name in ("summary", "comparisons", "runs")
    }
    return lay_out(head, tables, "this ablation")


def _parse(text: str, where: str) -> Ablation:
    content = parse_document(text, where, kind="the file of an ablation", schema=SCHEMA)
    try:
        document = build(_Document, content)
        ablation = _check(document)
    except DecodeError as error:
        raise ResultsError(f"{where}: {one_line(error, 600)}") from error
    return ablation


def _check(document: _Document) -> Ablation:
    known = document.variants
    for name in (document.baseline, *(name for pair in document.contrasts for name in pair)):
        if name not in known:
            raise DecodeError(f"{quoted(name)} is compared with, but is not among the variants")
    if any(len(pair) != 2 for pair in document.contrasts):
        raise DecodeError("contrasts holds something else than pairs of names")
    for index, run in enumerate(document.runs):
        check_run(run, f"runs[{index}]", known)
    keys = [(run.variant, run.seed) for run in document.runs]
    if len(set(keys)) < len(keys):
        raise DecodeError("runs holds the same variant and seed twice")
    names = ("created_with", "base", "variants", "baseline", "contrasts", "target", "runs")
    ablation = Ablation(**{name: getattr(document, name) for name in names})
    _check_derived("summary", document.summary, ablation.summary)
    expected = _tested_today(document.comparisons, ablation.comparisons)
    _check_derived("comparisons", document.comparisons, expected)
    return ablation


def _tested_today(found: Sequence[Comparison], expected: Sequence[Comparison]) -> list[Comparison]:
    """The rows that a file has to have, also one from before tests needed three seeds and a spread.

    Intervals that the file has and that do not follow today stay, and so do the p-values of a family in which
    one comparison is no longer tested.
    """
    rows = []
    for own, row in zip(found, expected, strict=False):
        earlier: dict[str, Any] = {}
        for name in ("generations", "final", "advantage"):
            here, right = getattr(own, name), getattr(row, name)
            if here is not None and right is not None:
                family = (getattr(other, name) for other in expected)
                tested = all(effect is None or effect.p_value is not None for effect in family)
                earlier[name] = _as_found(here, right, tested=tested)
        rows.append(replace(row, **earlier))
    return [*rows, *expected[len(rows) :]]


def _as_found(found: Effect, expected: Effect, *, tested: bool) -> Effect:
    """An effect as expected, with the values of the file where there is no test or interval today."""
    tests = () if tested else ("p_value", "p_holm")
    ends = ("ci_low", "ci_high") if expected.ci_low is None else ()
    return replace(expected, **{name: getattr(found, name) for name in (*tests, *ends)})


def check_run(run: AblationRun, where: str, known: Container[str]) -> None:
    """Raise :class:`DecodeError`, which names the place, where a value of a run is out of its range.

    Args:
        run: what was read.
        where: its place in the file.
        known: names of the variants.
    """
    if run.variant not in known:
        raise DecodeError(f"{where}.variant is {quoted(run.variant)}, which is not among the variants")
    if run.seed < 0 or run.popsize < 2 or run.generations < 1 or run.seconds < 0:
        raise DecodeError(f"{where} has a negative seed or time, or no candidates or generations")
    if not run.measured_at or len(run.measured_at) != len(run.consistency):
        raise DecodeError(f"{where} does not have one score for each generation that was measured")
    if list(run.measured_at) != sorted(set(run.measured_at)) or run.measured_at[-1] != run.generations:
        raise DecodeError(f"{where}.measured_at does not rise to the last generation, {run.generations}")
    if any(value is not None and not 0 <= value <= 1 for value in run.consistency):
        raise DecodeError(f"{where}.consistency is not in 0 to 1")
    if run.kendall_tau is not None and not -1 <= run.kendall_tau <= 1:
        raise DecodeError(f"{where}.kendall_tau is {run.kendall_tau!r}; expected -1 to 1")


def _check_derived(name: str, found: Sequence[Any], expected: Sequence[Any]) -> None:
    """Refuse a table that does not follow from the runs: somebody changed one of the two."""
    if len(found) != len(expected):
        raise DecodeError(f"{name} has {len(found)} rows; {len(expected)} follow from the runs")
    for index, (row, right) in enumerate(zip(found, expected, strict=True)):
        if not _agree(written(asdict(row)), written(asdict(right))):
            raise DecodeError(f"{name}[{index}] is not what follows from the runs: {asdict(right)}")


def _agree(found: Any, expected: Any) -> bool:
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(_agree(found[key], expected[key]) for key in found)
    if isinstance(found, tuple) and isinstance(expected, tuple):
        return len(found) == len(expected) and all(map(_agree, found, expected))
    if isinstance(found, float) and isinstance(expected, float):
        # Another version of scipy may differ in the last digits.
        return math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-9)
    return bool(found == expected)
