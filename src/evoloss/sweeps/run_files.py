"""The file of one run: named by the hash of its configuration, with a checksum of what it holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoloss.atomic_files import write_text
from evoloss.errors import ConfigError, ResultsError
from evoloss.regular_files import read_regular
from evoloss.safe_text import one_line, quoted
from evoloss.strict_json import parse_json
from evoloss.sweeps.decoding import DecodeError

SCHEMA = 1
"""Version of a run's file."""
RUNS_FOLDER = "runs"
KEY_LENGTH = 20
MAX_RUN_BYTES = 1 << 26

_CHECKSUM = "sha256"  # files from before version 0.4 have none
_AGAIN = "move it away, and the run is done again"


@dataclass(frozen=True)
class Run:
    """One run, by all that determines it.

    Attributes:
        kind: what is run, such as ``"compare"``.
        config: JSON values; no paths, no names of machines.

    Raises:
        ConfigError: if the configuration is not made of JSON values.

    Example:
        >>> Run("square", {"x": 2}).key == Run("square", {"x": 2}).key
        True
    """

    kind: str
    config: dict[str, Any]

    def __post_init__(self) -> None:
        _ = self.key

    @property
    def key(self) -> str:
        """Name of the run: the first digits of the hash of its canonical JSON."""
        try:
            text = canonical_json({"kind": self.kind, "config": self.config})
        except (TypeError, ValueError) as error:
            raise ConfigError(f"the configuration of a run must be finite JSON values: {error}") from error
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


Check = Callable[[Run, dict[str, Any]], object]
"""Raises :class:`~evoloss.sweeps.decoding.DecodeError` where a result is not one of its run."""


def run_path(folder: Path, run: Run) -> Path:
    """Return where the file of a run is, in the folder of its sweep."""
    return folder / RUNS_FOLDER / f"{run.key}.json"


def read_run(path: Path, run: Run, check: Check | None = None) -> dict[str, Any] | None:
    """Read the result of a run; None if there is no file.

    Raises:
        ResultsError: if the file cannot be read, is damaged, changed, of another version, or of another run.
    """
    try:
        content = parse_json(read_regular(path, MAX_RUN_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:  # what cannot be read now may be good
        raise ResultsError(
            f"{path} cannot be read ({error.strerror}); make it readable, or choose another folder"
        ) from error
    except ValueError as error:
        raise ResultsError(f"{path} is damaged ({one_line(error, 300)}); {_AGAIN}") from error
    _require_layout(path, content, run)
    result: dict[str, Any] = content["result"]
    try:
        if check is not None:
            check(run, result)
    except DecodeError as error:
        raise ResultsError(f"{path} holds no result of its run: {one_line(error, 600)}; {_AGAIN}") from error
    return result


def _require_layout(path: Path, content: Any, run: Run) -> None:
    expected = {"schema": SCHEMA, "kind": run.kind, "config": run.config}
    for name in (*expected, "result"):
        if not isinstance(content, dict) or name not in content:
            raise ResultsError(f"{path} has no entry {name!r}, so it is no run's file; {_AGAIN}")
    if content["schema"] == SCHEMA:
        unknown = sorted(content.keys() - expected.keys() - {"result", _CHECKSUM})
        if unknown:
            raise ResultsError(f"{path} is damaged: it has the entry {quoted(unknown[0])}; {_AGAIN}")
        if _CHECKSUM in content and content[_CHECKSUM] != _digest(content):
            raise ResultsError(f"{path} is damaged or was changed: its checksum is wrong; {_AGAIN}")
    for name, value in expected.items():
        found = canonical_json(content[name])
        if found != canonical_json(value):
            raise ResultsError(
                f"{path} has the {name} {found:.300}; expected {canonical_json(value)}. It is of another run "
                "or another version of evoloss; choose another folder"
            )
    if not isinstance(content["result"], dict):
        raise ResultsError(f"{path} holds no result; {_AGAIN}")


def save_run(folder: Path, run: Run, result: dict[str, Any]) -> None:
    """Put a result that is already known into the folder of a sweep, unless the run has a file there.

    Raises:
        ResultsError: if the result is not made of JSON values.
    """
    if not run_path(folder, run).exists():
        write_text(run_path(folder, run), dump_run(run, result))


def dump_run(run: Run, result: dict[str, Any]) -> str:
    """Return the text of a run's file.

    Raises:
        ResultsError: if the result is not made of JSON values.
    """
    if not isinstance(result, dict):
        raise ResultsError(f"a run returned {type(result).__name__}; expected a dict of JSON values")
    content = {"schema": SCHEMA, "kind": run.kind, "config": run.config, "result": result}
    try:
        content[_CHECKSUM] = _digest(content)
        return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ResultsError(f"a run's result cannot be written as JSON: {error}") from error


def canonical_json(value: object) -> str:
    """Return the one way in which a value is written where its text is compared or hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(content: dict[str, Any]) -> str:
    rest = {name: value for name, value in content.items() if name != _CHECKSUM}
    return hashlib.sha256(canonical_json(rest).encode()).hexdigest()
