"""The option ``--log`` of commands: a tracker, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evoloss.trackers.run_log import RunLog
from evoloss.trackers.tools import find_tool

if TYPE_CHECKING:  # a command that logs nothing does not wait for them
    from evoloss.sweeps.finished_run import FinishedRun
    from evoloss.trackers.ablations import AblateTracker
    from evoloss.trackers.comparisons import CompareTracker
    from evoloss.trackers.searches import SearchTracker
    from evoloss.training import EpochRecord, RunResult

Log = Literal["none", "tensorboard", "mlflow", "wandb"]
Say = Callable[[str], None]


def require_log(log: Log) -> None:
    """Check that the tool is installed.

    Raises:
        MissingExtraError: if it is not.
    """
    if log != "none":
        find_tool(log)


def _warning(say: Say) -> Say:
    return lambda text: say(f"warning: {text}")


class ComparisonLog:
    """Trackers of comparisons, one a data set; whoever is under way is told.

    Args:
        trackers: by the names of data sets; empty where nothing is logged.
    """

    def __init__(self, trackers: Mapping[str, CompareTracker]) -> None:
        self._trackers = trackers
        self._now = next(iter(trackers.values()), None)
        self.on_run = None if self._now is None else self._on_run
        self.on_epoch = None if self._now is None else self._on_epoch

    def begin(self, label: str) -> None:
        """Go on to another data set."""
        if self._trackers:
            self._now = self._trackers[label]

    def _on_run(self, run: FinishedRun[RunResult]) -> None:
        if self._now is not None:
            self._now.on_run(run)

    def _on_epoch(self, record: EpochRecord) -> None:
        if self._now is not None:
            self._now.on_epoch(record)

    def lines(self) -> list[str]:
        """Return the places of what was logged."""
        return [line for tracker in self._trackers.values() for line in logged_lines(tracker)]


def logged_lines(tracker: RunLog | None) -> list[str]:
    """Return the place of what was logged, if anything was."""
    return [] if tracker is None or tracker.broken else [f"logged: {tracker.store.place}"]


@contextmanager
def comparison_log(log: Log, folders: Mapping[str, Path], say: Say) -> Iterator[ComparisonLog]:
    """Open trackers for comparisons.

    Args:
        log: the tool, or none.
        folders: of the results, by the names of data sets.
        say: prints a line; warnings go there.

    Raises:
        MissingExtraError: if the tool is not installed.
        ConfigError: if its server does not answer.
        OutputError: if a file that evoloss did not write stands where it would.
    """
    with ExitStack() as stack:
        trackers: dict[str, CompareTracker] = {}
        if log != "none":
            from evoloss.trackers.comparisons import CompareTracker

            for label, folder in folders.items():
                tracker = CompareTracker(log, folder, _warning(say))
                trackers[label] = stack.enter_context(tracker)
        yield ComparisonLog(trackers)


@contextmanager
def search_log(log: Log, out: Path, say: Say) -> Iterator[SearchTracker | None]:
    """Open a tracker for a search; None where nothing is logged. Errors are those of :func:`comparison_log`.

    Args:
        log: the tool, or none.
        out: directory of the search.
        say: prints a line; warnings go there.
    """
    if log == "none":
        yield None
        return
    from evoloss.trackers.searches import SearchTracker

    with SearchTracker(log, out, warn=_warning(say)) as tracker:
        yield tracker


@contextmanager
def ablation_log(log: Log, out: Path, say: Say) -> Iterator[AblateTracker | None]:
    """Open a tracker for an ablation; None where nothing is logged. See :func:`search_log`.

    Args:
        log: the tool, or none.
        out: directory of the results.
        say: prints a line; warnings go there.
    """
    if log == "none":
        yield None
        return
    from evoloss.trackers.ablations import AblateTracker

    with AblateTracker(log, out, _warning(say)) as tracker:
        yield tracker
