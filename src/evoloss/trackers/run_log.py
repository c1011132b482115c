"""Runs on their way to a store: once each, and never at the cost of what is computed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from evoloss.safe_text import one_line
from evoloss.trackers.ledger import Ledger
from evoloss.trackers.store import Setting, StoredRun
from evoloss.trackers.tools import FOLDER, Tool, open_store

Warn = Callable[[str], None]


def warn_by_python(text: str) -> None:
    """Warn as Python does."""
    warnings.warn(text, RuntimeWarning, stacklevel=2)


class RunLog:
    """The one run that is open, its store, and the record of those that were logged.

    If the store fails, a warning says so, once, and nothing is logged any more.

    Args:
        tool: whose store it is.
        out: directory of the results.
        warn: told where the store fails; Python's warnings by default.

    Raises:
        MissingExtraError: if the tool is not installed.
        ConfigError: if it is unknown, or its server does not answer.
        OutputError: if a file that evoloss did not write stands where it would.
    """

    def __init__(self, tool: Tool, out: Path, warn: Warn | None = None) -> None:
        self.store = open_store(tool, Path(out))
        self.ledger = Ledger(Path(out) / FOLDER, self.store.name)
        self.ledger.require_own()
        self._tool, self._warn = tool, warn or warn_by_python
        self._open: StoredRun | None = None
        self._step = 0
        self.run: str | None = None
        self.broken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def last_step(self) -> int:
        """The last step that the store has of the open run."""
        return self._step

    def begin(
        self, run: str, name: str, settings: Mapping[str, object], *, goes_on: bool | None = None
    ) -> bool:
        """Open a run, unless it is logged already, or another process is at it.

        Args:
            run: its key.
            name: for people.
            settings: that are known when it begins.
            goes_on: True for a run that goes on from wherever it was logged to; False for one that is begun
                anew, beside one of this key that has ended; None for one that is done once.

        Returns:
            True if it is open.
        """
        self.stop()
        return self._try(lambda: self._begin(run, name, settings, goes_on)) is True

    def _begin(self, run: str, name: str, settings: Mapping[str, object], goes_on: bool | None) -> bool:
        if not self.ledger.take(run):
            return False
        self.run = run
        earlier = self.ledger.find(run)
        begun, others = None if earlier is None else earlier.id, self.ledger.others(run)
        if earlier is not None and earlier.ended_at is not None and not goes_on:
            if goes_on is None:
                self._leave()
                return False
            begun, others = None, {*others, earlier.id}
        self._open = self.store.begin(name, earlier=begun, goes_on=goes_on is True, others=others)
        self.ledger.add(run, self._open.id)
        self._step = self._open.last_step
        self._open.describe(_as_settings(settings))
        return True

    def log(self, metrics: Mapping[str, float | None], step: int) -> None:
        """Log the numbers of a step that are finite; a step that the store has already is left out."""
        if self._open is None or step <= self._step:
            return
        opened, self._step = self._open, step
        self._try(lambda: opened.log(_finite(metrics), step))

    def end(self, metrics: Mapping[str, float | None], settings: Mapping[str, object]) -> None:
        """Log what came of the run, and close it."""
        opened, run, step = self._open, self.run, self._step
        if opened is None or run is None:
            return

        def finish() -> None:
            opened.describe(_as_settings(settings))
            opened.end(_finite(metrics), complete=True)
            self.ledger.add(run, opened.id, step)

        self._try(finish)
        self._leave()

    def stop(self) -> None:
        """Close a run that has not ended."""
        opened = self._open
        if opened is not None:
            self._try(lambda: opened.end({}, complete=False))
        self._leave()

    def _leave(self) -> None:
        if self.run is not None:
            self.ledger.release(self.run)
        self._open, self.run = None, None

    def _try(self, action: Callable[[], object]) -> object:
        """Do something with the store, if it has not failed before."""
        if self.broken:
            return None
        try:
            return action()
        except Exception as error:  # whatever a tool or its server raises
            self.broken = True
            self._leave()
            self._warn(
                f"logging to {self._tool} failed and ends here ({type(error).__name__}: "
                f"{one_line(error, 300)}); all else goes on. What is missing is logged when the same command "
                "is given again"
            )
            return None


def _finite(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {
        name: float(value) for name, value in metrics.items() if value is not None and math.isfinite(value)
    }


def _as_settings(settings: Mapping[str, object]) -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    for name, value in settings.items():
        if isinstance(value, bool | int | float | str):
            found[name] = value
        elif value is None:
            found[name] = "none"
        elif isinstance(value, list | tuple):
            found[name] = ", ".join(map(str, value))
        else:
            found[name] = str(value)
    return found
