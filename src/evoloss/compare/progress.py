"""The progress bar of a comparison: runs done, what runs now, time left."""

from __future__ import annotations

from types import TracebackType

from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class RunProgress:
    """A bar over the epochs of all runs.

    Args:
        n_runs: planned runs.
        epochs: epochs of each.
        shown: False makes a bar that shows nothing.
    """

    def __init__(self, n_runs: int, epochs: int, *, shown: bool) -> None:
        self._n_runs, self._epochs, self._done = n_runs, epochs, 0
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("run {task.fields[done]}/{task.fields[of]}"),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
            disable=not shown,
        )
        self._task = self._bar.add_task("loading", total=n_runs * epochs, done=0, of=n_runs)

    @property
    def n_runs(self) -> int:
        """Planned runs."""
        return self._n_runs

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start(self, description: str) -> None:
        """Say which run begins."""
        self._bar.update(self._task, description=description)

    def advance(self) -> None:
        """Count one epoch."""
        self._bar.advance(self._task)

    def expect(self, n_runs: int) -> None:
        """Plan for more runs."""
        self._n_runs += n_runs
        self._bar.update(self._task, total=self._n_runs * self._epochs, of=self._n_runs)

    def finish(self) -> None:
        """Count a run, also where it ended early or was not needed."""
        self._done += 1
        self._bar.update(self._task, completed=self._done * self._epochs, done=self._done)
