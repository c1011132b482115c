"""Runs for the tests of sweeps; as a script with FOLDER and LOG, a sweep that a test can kill."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from evoloss.errors import DataError
from evoloss.sweeps.run_files import Run
from evoloss.sweeps.sweep import sweep


def make_runs(count: int, **config: Any) -> list[Run]:
    return [Run("square", {"number": number, **config}) for number in range(count)]


def square(config: dict[str, Any]) -> dict[str, Any]:
    if config["number"] == config.get("broken"):
        raise DataError("this one is broken")
    return {"square": config["number"] ** 2, "history": (1.5, None)}


def logged(log: Path, seconds: float, config: dict[str, Any]) -> dict[str, Any]:
    """Square slowly, and leave a line that says so before and after."""
    note(log, f"begin {config['number']} {os.getpid()}")
    time.sleep(seconds)
    result = square(config)
    note(log, f"end {config['number']} {os.getpid()}")
    return result


def note(log: Path, line: str) -> None:
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{line}\n".encode())
    os.close(handle)


def lines(log: Path, word: str) -> list[int]:
    """The numbers of the runs that began or ended."""
    if not log.exists():
        return []
    rows = [line.split() for line in log.read_text().splitlines()]
    return [int(row[1]) for row in rows if row[0] == word]


if __name__ == "__main__":
    sweep(make_runs(8), partial(logged, Path(sys.argv[2]), 0.4), folder=Path(sys.argv[1]))
