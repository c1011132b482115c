"""Numbers of a pretraining run for a page and its JSON twin: convergence, held-out tasks, shape, verdict."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evoloss.errors import ArtefactError, ResultsError
from evoloss.evolve.verdict import is_calibrated
from evoloss.losses import EvolvedLoss
from evoloss.pretraining.config import PretrainConfig
from evoloss.pretraining.evaluation.verdict import verdict_of
from evoloss.pretraining.history import HISTORY_FILE, GenerationRecord, read_history
from evoloss.pretraining.result import CONFIG_FILE, SUMMARY_FILE
from evoloss.regular_files import read_regular_text
from evoloss.report.html.columns import Cell, Numbers, numbers
from evoloss.report.html.search.course import DIGITS, disorder, thinned
from evoloss.report.html.search.lineage import lineage_of
from evoloss.report.html.shapes import shapes_of
from evoloss.safe_text import one_line
from evoloss.strict_json import parse_json
from evoloss.user_paths import real_path

KNOWN = ("cross_entropy", "gce", "sce", "evolved-base", "evolved-noise")
"""Losses that the shape is drawn against."""
_MAX_BYTES = 1 << 26


def is_search(directory: Path) -> bool:
    """Test whether a directory is that of a pretraining run."""
    return (directory / HISTORY_FILE).is_file()


def search_section(directory: Path, *, name: str, written: str = "") -> dict[str, Any]:
    """Return what a page says of a pretraining run, as JSON values.

    Args:
        directory: what ``evoloss pretrain`` wrote; without a summary as long as the run is not finished.
        name: of the directory.
        written: the date of its files, for people.

    Raises:
        EvolossError: if a file cannot be read.
    """
    history = read_history(directory)
    summary = _summary(directory)
    config = (
        PretrainConfig.from_toml(directory / CONFIG_FILE) if (directory / CONFIG_FILE).is_file() else None
    )
    verdict = _verdict(config, summary, directory)
    own = _own_loss(directory)
    known = {loss: None for loss in KNOWN if loss != name}
    given = {} if own is None else {name: f"{real_path(directory)}/"}
    counts = own.network.class_counts if own is not None else None
    settings, is_here = _settings_file(directory, name)
    return {
        "kind": "search",
        "name": name,
        "title": f"Search for a loss: {name}",
        "written": written,
        "command": shlex.join(["evoloss", "pretrain", "--config", str(settings), "--out", "again"]),
        "needs_paths": not is_here,
        "verdict": verdict,
        "warnings": _cautions(history, summary),
        "facts": _facts(config, summary, history),
        "losses": [{"loss": loss, "difference": None} for loss in (*given, *known)],
        "baseline": "cross_entropy",
        "n_classes": max(counts) if counts else 10,
        "convergence": _convergence(history),
        "rejected": numbers(
            ["generation", "rejected"],
            [[row.generation, row.rejected] for row in thinned(history)],
        ),
        "kept_generation": summary.get("kept_generation"),
        "lineage": lineage_of(history, summary, config),
        "attempts": _attempts(history),
        "held_out": _held_out(summary),
        "fresh": _fresh(summary),
        "fresh_rates": _fresh_rates(summary),
        "scores": _scores(summary),
        "shapes": shapes_of({**dict.fromkeys(given), **known}, None, given),
        "config": None if config is None else config.to_dict(),
        "summary": summary,
        "created_with": {},
    }


def _settings_file(directory: Path, name: str) -> tuple[Path, bool]:
    """The settings as one would type them, and whether the place is told.

    A page may go to others: of places outside of the current folder it has the name alone.
    """
    place, here = Path(os.path.abspath(directory)), Path.cwd()
    if place.is_relative_to(here):
        return place.relative_to(here) / CONFIG_FILE, True
    return Path(name) / CONFIG_FILE, False


def _summary(directory: Path) -> dict[str, Any]:
    path = directory / SUMMARY_FILE
    try:
        found = parse_json(read_regular_text(path, _MAX_BYTES))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ResultsError(f"{path} is not valid JSON: {error}") from error
    holds = isinstance(found, dict) and isinstance(found.get("generations"), int)
    if not holds or not isinstance(found.get("scores"), dict):
        raise ResultsError(f"{path} is not the summary of a search; `evoloss pretrain --out DIR` writes one")
    summary: dict[str, Any] = found
    return summary


def _own_loss(directory: Path) -> EvolvedLoss | None:
    try:
        return EvolvedLoss.from_pretrained(real_path(directory))
    except ArtefactError:
        return None  # a run that is not finished has none


def _verdict(config: PretrainConfig | None, summary: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    if not summary or config is None:
        text = "The search is not finished." if not summary else "There is no verdict without the settings."
        return {
            "kind": "empty",
            "text": text,
            "advice": f"Go on with --resume in {directory.name}.",
            "loss": "",
        }
    evolved = _evolved(summary).get("verdict")
    if isinstance(evolved, dict) and isinstance(evolved.get("text"), str):
        # Of `evoloss evolve`, which has judged the loss against others on fresh tasks.
        text, calibration = one_line(evolved["text"], 1000), one_line(evolved.get("calibration") or "", 1000)
        is_warning = _is_uncalibrated(summary)
        said = {"advice": calibration if is_warning else "", "note": "" if is_warning else calibration}
        return {"kind": "search", "text": text, **said, "loss": ""}
    try:
        found = verdict_of(config, summary)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ResultsError(
            f"{directory / SUMMARY_FILE} is not the summary of a search ({type(error).__name__}); "
            "`evoloss pretrain --out DIR` writes one"
        ) from error
    return {"kind": "search", "text": found.text, "advice": found.advice, "loss": ""}


def _cautions(history: Sequence[GenerationRecord], summary: Mapping[str, Any]) -> list[str]:
    found = []
    if summary and not summary.get("scores"):
        found.append("The order of held-out predictions could not be measured.")
    rejected, evaluations = summary.get("rejected"), summary.get("evaluations")
    if isinstance(rejected, int) and isinstance(evaluations, int) and rejected > evaluations / 2:
        found.append(f"More than half of the candidates were rejected ({rejected:,} of {evaluations:,}).")
    if history and all(row.fitness_best is None for row in history):
        found.append("No generation had a candidate that could be used.")
    return found


def _facts(
    config: PretrainConfig | None, summary: Mapping[str, Any], history: Sequence[GenerationRecord]
) -> list[list[str]]:
    facts: list[list[str]] = []
    if config is not None:
        facts += [
            ["Network", config.network],
            ["Fitness", config.fitness],
            ["Strategy", f"{config.strategy}, {config.mutation} mutation, population {config.popsize}"],
            ["Seed", str(config.seed)],
        ]
    regime = _evolved(summary).get("regime")
    if isinstance(regime, dict):
        known = [f"{name}: {_range(value)}" for name, value in regime.items() if value is not None]
        facts.append(["Evolved for", "; ".join(known)])
    attempts = len({row.attempt for row in history if row.attempt is not None}) or 1
    facts += [
        ["Generations", f"{len(history):,}, from {attempts} start{'' if attempts == 1 else 's'}"],
        ["Time", _duration(history[-1].seconds) if history else "none"],
    ]
    for key, label in (("evaluations", "Candidates judged"), ("rejected", "Candidates rejected")):
        if isinstance(summary.get(key), int):
            facts.append([label, f"{summary[key]:,}"])
    if isinstance(summary.get("kept_generation"), int):
        facts.append(["Loss kept", f"that of generation {summary['kept_generation']:,}"])
    return [[one_line(cell, 400) for cell in fact] for fact in facts]


def _range(value: object) -> str:
    """A value in words: one number for a range of one."""
    if isinstance(value, list):
        return " to ".join(dict.fromkeys(map(str, value)))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _convergence(history: Sequence[GenerationRecord]) -> Numbers:
    """Course of the search: points over cross-entropy, where known, and couples in the wrong order."""
    rows: list[list[Cell]] = []
    for row in thinned(history):
        values = {
            ("advantage", "best"): row.advantage_best,
            ("advantage", "mean"): row.held_out_advantage,
            ("disorder", "best"): _disorder(row.consistency_best),
            ("disorder", "mean"): _disorder(row.held_out_consistency),
        }
        rows += [
            [measure, series, row.generation, row.attempt or 1, value]
            for (measure, series), value in values.items()
            if value is not None
        ]
    return numbers(["measure", "series", "generation", "attempt", "value"], rows, DIGITS)


def _disorder(consistency: float | None) -> float | None:
    return None if consistency is None else disorder(consistency)


def _attempts(history: Sequence[GenerationRecord]) -> list[list[int]]:
    """Starts of the search with their first generation."""
    first: dict[int, int] = {}
    for row in history:
        first.setdefault(row.attempt or 1, row.generation)
    return [[attempt, generation] for attempt, generation in first.items()]


def _held_out(summary: Mapping[str, Any]) -> Numbers:
    """Points of accuracy over cross-entropy on tasks that no generation trained on, with standard errors."""
    found = summary.get("learnability")
    names = {"short": "as in the search", "long": "longer", "stretched": "many times longer"}
    rows: list[list[Cell]] = []
    for key, text in names.items():
        entry = found.get(key) if isinstance(found, dict) else None
        if isinstance(entry, dict):
            mean, error, tasks = (_number(entry.get(name)) for name in ("mean", "se", "tasks"))
            if mean is not None and error is not None:
                rows.append([key, text, mean, error, mean - 1.96 * error, mean + 1.96 * error, tasks])
    return numbers(["kind", "training", "mean", "se", "low", "high", "tasks"], rows)


def _evolved(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a summary that `evoloss evolve` adds; empty for other searches."""
    found = summary.get("evolve")
    return found if isinstance(found, dict) else {}


def _fresh(summary: Mapping[str, Any]) -> Numbers:
    """Losses on fresh tasks, as `evoloss evolve` judges at its end: points over cross-entropy."""
    verdict = _evolved(summary).get("verdict")
    found = verdict.get("rows") if isinstance(verdict, dict) else None
    rows: list[list[Cell]] = []
    for row in found if isinstance(found, list) else []:
        over = row.get("over_cross_entropy") if isinstance(row, dict) else None
        if isinstance(over, dict) and isinstance(row.get("loss"), str):
            ends = [_number(over.get(name)) for name in ("mean", "low", "high")]
            rest = [_number(row.get(name)) for name in ("accuracy", "temperature")]
            rows += [[one_line(row["loss"]), *ends, *rest]] if None not in ends else []
    return numbers(["loss", "mean", "low", "high", "accuracy", "temperature"], rows)


def _fresh_rates(summary: Mapping[str, Any]) -> int | None:
    """Learning rates on each fresh task; None where that is not said."""
    verdict = _evolved(summary).get("verdict")
    rates = verdict.get("rates") if isinstance(verdict, dict) else None
    return rates if isinstance(rates, int) and not isinstance(rates, bool) and rates > 0 else None


def _is_uncalibrated(summary: Mapping[str, Any]) -> bool:
    """Tell whether probabilities of the loss should not be taken as they are."""
    rows = _fresh(summary)["rows"]
    temperature = rows[-1][-1] if rows else None
    return isinstance(temperature, int | float) and not is_calibrated(temperature)


def _number(value: object) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _scores(summary: Mapping[str, Any]) -> Numbers:
    names = ("consistency", "kendall_tau", "spearman_rho")
    rows: list[list[Cell]] = [
        [int(count), *(_number(row.get(name)) for name in names)]
        for count, row in summary.get("scores", {}).items()
        if isinstance(row, dict) and str(count).isdecimal()
    ]
    return numbers(["classes", *names], rows)
