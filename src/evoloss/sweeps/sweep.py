"""Many independent runs, each named by its configuration, each leaving one file."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoloss.atomic_files import write_text
from evoloss.errors import ConfigError, EvolossError, ResultsError
from evoloss.executors import Executor, make_executor
from evoloss.executors.protocol import IN_FLIGHT_PER_WORKER
from evoloss.sweeps.claims import Claims
from evoloss.sweeps.documents import refuse_constant

SCHEMA = 1
"""Version of a run's file."""
RUNS_FOLDER = "runs"
KEY_LENGTH = 20
_POLL_SECONDS = 0.2  # between two looks at runs that another sweep is doing
_FEW = 5  # failed runs that an error names


@dataclass(frozen=True)
class Run:
    """One run, by all that determines it.

    Attributes:
        kind: what is run, such as ``"compare"``.
        config: JSON values; no paths, no names of machines.

    Raises:
        ConfigError: if the configuration is not made of JSON values.
    """

    kind: str
    config: dict[str, Any]

    def __post_init__(self) -> None:
        _ = self.key

    @property
    def key(self) -> str:
        """Name of the run: the first digits of the hash of its canonical JSON."""
        try:
            text = _canonical({"kind": self.kind, "config": self.config})
        except (TypeError, ValueError) as error:
            raise ConfigError(f"the configuration of a run must be finite JSON values: {error}") from error
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def sweep(
    runs: Sequence[Run],
    function: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    folder: Path | None = None,
    executor: Executor | None = None,
    on_done: Callable[[Run, dict[str, Any]], None] | None = None,
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
            was found in the folder.

    Returns:
        The results in the order of ``runs``.

    Raises:
        ResultsError: if a file in the folder is damaged or is another run's.
        EvolossError: after all other runs, if some failed; it names them and the first cause.
    """
    job = _Sweep(function, folder, executor or make_executor(), on_done)
    keys = [run.key for run in runs]
    try:
        job.claims.tidy()
        job.do(dict(zip(keys, runs, strict=True)))
    finally:
        # Also on KeyboardInterrupt: what is done stays, what waits is not begun.
        for future in job.under_way:
            future.cancel()
        job.claims.release_all()
    job.require_all()
    return [job.results[key] for key in keys]


class _Sweep:
    """What is known, what is under way and what failed."""

    def __init__(
        self,
        function: Callable[[dict[str, Any]], dict[str, Any]],
        folder: Path | None,
        executor: Executor,
        on_done: Callable[[Run, dict[str, Any]], None] | None,
    ) -> None:
        self.function, self.folder, self.executor, self.on_done = function, folder, executor, on_done
        self.claims = Claims(None if folder is None else folder / RUNS_FOLDER)
        self.results: dict[str, dict[str, Any]] = {}
        self.failed: list[tuple[Run, BaseException]] = []
        self.under_way: dict[Future[Any], Run] = {}

    def do(self, runs: dict[str, Run]) -> None:
        """Find or do all runs, a bounded number at a time."""
        waiting = {key: run for key, run in runs.items() if not self._recall(key, run)}
        while waiting or self.under_way:
            if self._start_one(waiting):
                self._settle(block=len(self.under_way) >= IN_FLIGHT_PER_WORKER * self.executor.workers)
            elif self.under_way:
                self._settle(block=True)
            elif waiting:  # another sweep has claimed them all: its results will do
                time.sleep(_POLL_SECONDS)

    def _start_one(self, waiting: dict[str, Run]) -> bool:
        for key, run in list(waiting.items()):
            if not self.claims.take(key):
                continue
            del waiting[key]
            # Another sweep may have finished it since the last look.
            if self._recall(key, run):
                self.claims.release(key)
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
                    self._keep(key, run, future.result())
                except ResultsError as unusable:
                    error = unusable
            if error is not None:
                self.failed.append((run, error))
            self.claims.release(key)

    def _keep(self, key: str, run: Run, result: dict[str, Any]) -> None:
        text = _dump(run, result)
        if self.folder is not None:
            write_text(self.folder / RUNS_FOLDER / f"{key}.json", text)
        # Through JSON in any case, so that a run gives the same whether it is done or read.
        self._know(key, run, json.loads(text)["result"])

    def _recall(self, key: str, run: Run) -> bool:
        if self.folder is None:
            return False
        result = read_run(self.folder / RUNS_FOLDER / f"{key}.json", run)
        if result is not None:
            self._know(key, run, result)
        return result is not None

    def _know(self, key: str, run: Run, result: dict[str, Any]) -> None:
        self.results[key] = result
        if self.on_done is not None:
            self.on_done(run, result)

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
            f", with the configuration {_canonical(run.config)}"
        ) from cause


def read_run(path: Path, run: Run) -> dict[str, Any] | None:
    """Read the result of a run; None if there is no file.

    Raises:
        ResultsError: if the file is damaged, of another version, or of another run.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse_constant)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(
            f"{path} cannot be read ({error}); remove it, and the run is done again"
        ) from error
    expected = {"schema": SCHEMA, "kind": run.kind, "config": run.config}
    for name, value in expected.items():
        if not isinstance(content, dict) or name not in content:
            raise ResultsError(
                f"{path} has no entry {name!r}, so it is no run's file; remove it, and the run is done again"
            )
        if _canonical(content[name]) != _canonical(value):
            raise ResultsError(
                f"{path} has the {name} {_canonical(content[name])}; expected {_canonical(value)}. Choose "
                "another folder, or remove the file, and the run is done again"
            )
    if not isinstance(content.get("result"), dict):
        raise ResultsError(f"{path} holds no result; remove it, and the run is done again")
    result: dict[str, Any] = content["result"]
    return result


def keep_run(folder: Path, run: Run, result: dict[str, Any]) -> None:
    """Put a result that is already known into the folder of a sweep, unless the run has a file there.

    Raises:
        ResultsError: if the result is not made of JSON values.
    """
    path = folder / RUNS_FOLDER / f"{run.key}.json"
    if not path.exists():
        write_text(path, _dump(run, result))


def _dump(run: Run, result: dict[str, Any]) -> str:
    if not isinstance(result, dict):
        raise ResultsError(f"a run returned {type(result).__name__}; expected a dict of JSON values")
    content = {"schema": SCHEMA, "kind": run.kind, "config": run.config, "result": result}
    try:
        return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ResultsError(f"a run's result cannot be written as JSON: {error}") from error


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
