"""Files that a comparison kept of its runs: evaluation on the test split, suspect training labels.

``DIR/kept/LOSS/seed-N/`` holds ``evaluation.json``, ``suspects.csv``, ``suspects.json``, thumbnails and
``command.txt``. Any of them may be missing; one that is there and cannot be read is an error. The files may
be anybody's, so nothing outside of the comparison's directory is opened.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from evoloss.compare.keeping.csv_tables import as_it_was
from evoloss.compare.results import Results
from evoloss.errors import ResultsError
from evoloss.regular_files import read_regular, read_regular_text
from evoloss.safe_text import one_line
from evoloss.strict_json import parse_json
from evoloss.training import RunResult
from evoloss.user_paths import real_path

SHOWN_SUSPECTS = 24
"""Suspect labels on a page, as many as have a thumbnail."""
_MAX_BYTES = 1 << 26
_MAX_THUMBNAIL = 1 << 16
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """Files of one run, as they were read.

    Attributes:
        loss: name of the loss.
        seed: of the run.
        folder: where it lies, relative to the comparison.
        evaluation: content of ``evaluation.json``; None where there is none.
        method: content of ``suspects.json``; empty where there is none.
        suspects: the first rows of ``suspects.csv``, by column.
        thumbnails: ``data:`` addresses of the pictures, by rank from 1.
        command: content of ``command.txt``; empty where there is none.
    """

    loss: str
    seed: int
    folder: str
    evaluation: Mapping[str, Any] | None
    method: Mapping[str, Any]
    suspects: list[dict[str, str]]
    thumbnails: Mapping[int, str]
    command: str


def read_stored(results: Results, directory: Path | None) -> list[StoredRun]:
    """Read what was kept, of each loss the first run that has anything.

    Args:
        results: of the comparison.
        directory: where its ``results.json`` lies; None where it stands alone.

    Raises:
        ResultsError: if a file is damaged, or a run names a place outside of the directory.
    """
    if directory is None:
        return []
    found: dict[str, StoredRun] = {}
    for run in results.runs:
        folder = _folder(run, directory)
        if run.loss not in found and folder is not None:
            found[run.loss] = _read(run, directory, folder)
    return list(found.values())


def _folder(run: RunResult, directory: Path) -> str | None:
    """The place of a run, relative to the directory; None if nothing was kept of it."""
    named = getattr(run, "kept", None)
    place = named if isinstance(named, str) else f"kept/{run.loss}/seed-{run.seed}"
    path = PurePosixPath(place)
    inside = not path.is_absolute() and ".." not in path.parts and "\\" not in place and "\0" not in place
    if inside and real_path(directory / path).is_relative_to(real_path(directory)):
        return place if (directory / path).is_dir() else None
    if named is None:
        return None  # a name that is no file name
    raise ResultsError(
        f"{directory}: a run names {one_line(place)} as what was kept of it, which is not inside"
    )


def _read(run: RunResult, directory: Path, folder: str) -> StoredRun:
    place = directory / folder
    evaluation = _json(place / "evaluation.json")
    if evaluation is not None:
        _check_evaluation(evaluation, place / "evaluation.json")
    suspects = _suspects(place / "suspects.csv")
    return StoredRun(
        loss=run.loss,
        seed=run.seed,
        folder=folder,
        evaluation=evaluation,
        method=_json(place / "suspects.json") or {},
        suspects=suspects,
        thumbnails=_thumbnails(place / "suspects", len(suspects)),
        command=(_text(place / "command.txt") or "").strip(),
    )


def _text(path: Path) -> str | None:
    try:
        return read_regular_text(path, _MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeError as error:
        raise ResultsError(f"{path} is not UTF-8 text: {error}") from error


def _json(path: Path) -> dict[str, Any] | None:
    text = _text(path)
    if text is None:
        return None
    try:
        value = parse_json(text)
    except ValueError as error:
        raise ResultsError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ResultsError(f"{path} does not hold an object; `evoloss compare` writes one")
    return value


def _suspects(path: Path) -> list[dict[str, str]]:
    text = _text(path)
    if text is None:
        return []
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = [row for row, _ in zip(reader, range(SHOWN_SUSPECTS), strict=False)]
    except csv.Error as error:
        raise ResultsError(f"{path} is not a table: {error}") from error
    missing = {"index", "label", "suggested", "score"} - set(reader.fieldnames or ())
    if missing:
        raise ResultsError(f"{path} has no column {', '.join(sorted(missing))}; `evoloss compare` writes it")
    if any(None in row or None in row.values() for row in rows):
        raise ResultsError(f"{path} has a line that is longer or shorter than its header")
    return [{name: as_it_was(cell) for name, cell in row.items()} for row in rows]


def _thumbnails(folder: Path, count: int) -> dict[int, str]:
    found = {}
    for rank in range(1, count + 1):
        try:
            content = read_regular(folder / f"{rank:04}.png", _MAX_THUMBNAIL)
        except OSError:
            continue  # a table has none, and a page is whole without
        if content.startswith(_PNG):
            found[rank] = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return found


def _check_evaluation(found: Mapping[str, Any], path: Path) -> None:
    """Raise unless the evaluation has the layout that the page reads."""
    lists: list[Any] = [found.get(name) for name in ("classes", "confusion", "recall")]
    classes, confusion, recall = lists
    holds = _is_list(classes, str) and len(classes) >= 1
    holds = holds and _is_list(confusion, list) and len(confusion) == len(classes)
    holds = holds and all(_is_list(row, int) and len(row) == len(classes) for row in confusion)
    holds = holds and _is_list(recall, int, float, type(None)) and len(recall) == len(classes)
    reliability = found.get("reliability", {})
    holds = holds and isinstance(reliability, dict)
    if holds and reliability:
        lists = [reliability.get(name) for name in ("counts", "confidence", "accuracy")]
        holds = all(_is_list(values, int, float, type(None)) for values in lists)
        holds = holds and len({len(values) for values in lists}) == 1
    singles = [found.get(name) for name in ("balanced_accuracy", "temperature")]
    holds = holds and _is_list(singles, int, float, type(None))
    if not holds or found.get("schema") != 1:
        raise ResultsError(
            f"{path} is not an evaluation as `evoloss compare` writes it (schema 1: classes, "
            "confusion, recall, reliability, of equal lengths); a newer evoloss may have written it"
        )


def _is_list(value: Any, *kinds: type) -> bool:
    return isinstance(value, list) and all(
        isinstance(entry, kinds) and not isinstance(entry, bool) for entry in value
    )
