"""Many independent runs, each named by its configuration, each leaving one file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any

from evoloss.atomic_files import write_text
from evoloss.errors import CallbackError, EvolossError, ResultsError
from evoloss.executors import Executor, make_executor
from evoloss.executors.protocol import IN_FLIGHT_PER_WORKER
from evoloss.sweeps.run_files import RUNS_FOLDER, Check, Run, canonical_json, dump_run, read_run, run_path
from evoloss.sweeps.run_locks import RunLocks

_POLL_SECONDS = 0.2  # between two looks at runs that another sweep is doing
_FEW = 5  # failed runs that an error names


def sweep(
    runs: Sequence[Run],
    function: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    folder: Path | None = None,
    executor: Executor | None = None,
    on_done: Callable[[Run, dict[str, Any]], None] | None = None,
    check: Check | None = None,
    unpack: Callable[[Run, dict[str, Any]], dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """Do every run that has not been done, and return all results.

    With ``folder`` every result is written, as the run ends, to ``folder/runs/KEY.json`` by this process, and
    what lies there is not done again. So a sweep that was killed goes on where it stopped, and several sweeps
    may share a folder, at the same time too: each leaves alone what another is doing.

    Args:
        runs: started in this order; equal ones are done once.
        function: from a run's configuration to its result, JSON values; defined at the top of a module.
        folder: where results are kept; None keeps them in memory.
        executor: where runs take place; serial by default. It is not shut down.
        on_done: called in this process for each distinct run as soon as its result is known, also where it
            was found in the folder. If it raises a :class:`~evoloss.errors.CallbackError`, results that are
            known are stored all the same before it is passed on.
        check: called with each run and result that is found in the folder; see
            :data:`~evoloss.sweeps.run_files.Check`.
        unpack: called in this process with a run and what ``function`` returned, and returns the result: a
            place to take out, and write, what is no JSON. Before the run's file is written, so that a run
            that has one has all.

    Returns:
        The results in the order of ``runs``.

    Raises:
        ResultsError: if a file in the folder cannot be read, is damaged, or is another run's.
        CallbackError: at once, if ``on_done`` or a run that is done in this process raised it.
        EvolossError: after all other runs, if some failed; it names them and the first cause.

    Example:
        >>> runs = [Run("square", {"x": x}) for x in (2, 3)]
        >>> sweep(runs, lambda config: {"square": config["x"] ** 2})
        [{'square': 4}, {'square': 9}]
    """
    job = _Sweep(function, folder, executor or make_executor(), on_done, check, unpack)
    keys = [run.key for run in runs]
    try:
        job.locks.tidy()
        job.do(dict(zip(keys, runs, strict=True)))
    finally:
        # Also on KeyboardInterrupt: what is done stays, what waits is not begun.
        for future in job.under_way:
            future.cancel()
        job.locks.release_all()
    job.require_all()
    return [job.results[key] for key in keys]


class _Sweep:
    """A sweep under way: what is known, what runs and what failed."""

    def __init__(
        self,
        function: Callable[[dict[str, Any]], dict[str, Any]],
        folder: Path | None,
        executor: Executor,
        on_done: Callable[[Run, dict[str, Any]], None] | None,
        check: Check | None,
        unpack: Callable[[Run, dict[str, Any]], dict[str, Any]] | None,
    ) -> None:
        self.function, self.folder, self.executor, self.on_done = function, folder, executor, on_done
        self.check, self.unpack = check, unpack
        self.locks = RunLocks(None if folder is None else folder / RUNS_FOLDER)
        self.results: dict[str, dict[str, Any]] = {}
        self.failed: list[tuple[Run, BaseException]] = []
        self.under_way: dict[Future[Any], Run] = {}
        self.stopped_by: CallbackError | None = None

    def do(self, runs: dict[str, Run]) -> None:
        """Find or do all runs, a bounded number at a time."""
        waiting = {key: run for key, run in runs.items() if not self._recall(key, run)}
        self._require_callbacks()
        while waiting or self.under_way:
            if self._start_one(waiting):
                self._settle(block=len(self.under_way) >= IN_FLIGHT_PER_WORKER * self.executor.workers)
            elif self.under_way:
                self._settle(block=True)
            elif waiting:  # another sweep has claimed them all: its results will do
                time.sleep(_POLL_SECONDS)
            self._require_callbacks()

    def _require_callbacks(self) -> None:
        """Raise what a callback raised, once nothing that is known can be lost by it."""
        if self.stopped_by is not None:
            raise self.stopped_by

    def _start_one(self, waiting: dict[str, Run]) -> bool:
        for key, run in list(waiting.items()):
            if not self.locks.take(key):
                continue
            del waiting[key]
            # Another sweep may have finished it since the last look.
            if self._recall(key, run):
                self.locks.release(key)
                continue
            self.under_way[self.executor.submit(self.function, run.config)] = run
            return True
        return False

    def _settle(self, *, block: bool) -> None:
        done, _ = wait(self.under_way, timeout=None if block else 0, return_when=FIRST_COMPLETED)
        for future in done:
            run = self.under_way.pop(future)
            key, error = run.key, future.exception()
            if error is None:
                try:
                    self._store(key, run, future.result())
                except ResultsError as unusable:
                    error = unusable
            if isinstance(error, CallbackError):
                self.stopped_by = self.stopped_by or error
            elif error is not None:
                self.failed.append((run, error))
            self.locks.release(key)

    def _store(self, key: str, run: Run, result: dict[str, Any]) -> None:
        if self.unpack is not None:
            result = self.unpack(run, result)
        # Through JSON in any case, so that a run gives the same whether it is done or read.
        text = dump_run(run, result)
        if self.folder is not None:
            write_text(run_path(self.folder, run), text)
        self._record(key, run, json.loads(text)["result"])

    def _recall(self, key: str, run: Run) -> bool:
        if self.folder is None:
            return False
        result = read_run(run_path(self.folder, run), run, self.check)
        if result is not None:
            self._record(key, run, result)
        return result is not None

    def _record(self, key: str, run: Run, result: dict[str, Any]) -> None:
        self.results[key] = result
        if self.on_done is not None:
            try:
                self.on_done(run, result)
            except CallbackError as error:
                self.stopped_by = self.stopped_by or error

    def require_all(self) -> None:
        """Raise if runs failed."""
        if not self.failed:
            return
        run, cause = self.failed[0]
        text = " ".join(f"{type(cause).__name__}: {cause}".split())  # one line, as all our errors
        names = ", ".join(f"{run.kind} {run.key}" for run, _ in self.failed[:_FEW])
        more = f" and {len(self.failed) - _FEW} more" if len(self.failed) > _FEW else ""
        raise EvolossError(
            f"{len(self.failed)} of {len(self.failed) + len(self.results)} runs failed"
            f"{', the others are done' if self.results else ''}. {text}. That was the first of {names}{more}"
            f", with the configuration {canonical_json(run.config)}"
        ) from cause
