"""Calls in processes of this machine, each with its share of the cores."""

from __future__ import annotations

import os
import pickle
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from evoloss.errors import EvolossError, ExecutorError
from evoloss.executors.protocol import IN_FLIGHT_PER_WORKER
from evoloss.executors.worker import Worker, require_parent


class ProcessExecutor:
    """Worker processes, each served by a thread over a pipe.

    A pool of the standard library breaks as a whole when a process dies. Here the thread sees which call died
    with its process, starts another process, and tries the call again. A worker is started when there is a
    call for it, and ends with its parent, even in the middle of a call when the parent is killed.

    Each worker imports the main script of the program, so a script has to use this executor under
    ``if __name__ == "__main__":``.

    Args:
        workers: processes at most; all cores by default.
        threads: torch threads of each; its share of the cores by default, at least 1.

    Raises:
        ExecutorError: in a process that may start no others: one that is importing the main script for an
            executor, or a daemonic one.
    """

    def __init__(self, workers: int | None = None, *, threads: int | None = None) -> None:
        require_parent()
        self.workers = workers or count_cores()
        self.threads = threads or max(1, count_cores() // self.workers)
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(IN_FLIGHT_PER_WORKER * self.workers)
        self._lock = threading.Lock()
        self._unfinished = 0
        self._stopped = False
        self._broken: ExecutorError | None = None
        self._workers: list[Worker] = []
        self._servers: list[threading.Thread] = []

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Queue ``function(*args)``; waits while every worker has enough to do.

        Raises:
            ExecutorError: if no worker can be started.
            EvolossError: if the executor was shut down, or if the call cannot travel to another process.
        """
        if self._stopped:
            raise EvolossError("this executor was shut down; make another one")
        call = _Call(_pack(function, args), Future())
        self._room.acquire()
        if self._broken is not None:
            self._room.release()
            raise self._broken
        with self._lock:
            self._unfinished += 1
            if len(self._workers) < min(self._unfinished, self.workers):
                self._add_worker()
        call.future.add_done_callback(self._count_out)
        self._calls.put(call)
        return call.future

    def _count_out(self, _: Future[Any]) -> None:
        with self._lock:
            self._unfinished -= 1
        self._room.release()

    def _add_worker(self) -> None:
        worker = Worker(self.threads)
        server = threading.Thread(target=self._serve, args=(worker,), daemon=True, name="evoloss worker")
        self._workers.append(worker)
        self._servers.append(server)
        server.start()

    def __enter__(self) -> ProcessExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped = True
        if kind is not None:
            self._drop_waiting()
            for worker in self._workers:
                worker.kill()
        for _ in self._servers:
            self._calls.put(None)
        for server in self._servers:
            server.join()

    def _drop_waiting(self) -> None:
        try:
            while (call := self._calls.get_nowait()) is not None:
                call.future.cancel()
        except queue.Empty:
            pass

    def _serve(self, worker: Worker) -> None:
        while (call := self._calls.get()) is not None:
            if not call.future.set_running_or_notify_cancel():
                continue
            try:
                _settle(call.future, self._answer(worker, call))
            except Exception as error:  # whoever waits for the call has to be told
                call.future.set_exception(error)
        worker.close()

    def _answer(self, worker: Worker, call: _Call) -> bytes:
        if self._broken is not None:
            raise self._broken
        try:
            return worker.run(call.packed)
        except ExecutorError as error:
            self._broken = error  # the next worker would fare no better
            raise


def count_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class _Call:
    packed: bytes
    future: Future[Any]


def _settle(future: Future[Any], answer: bytes) -> None:
    try:
        returned, value = pickle.loads(answer)
    except Exception as error:  # what a result does while it is unpacked is up to its class
        returned, value = False, error
    if returned:
        future.set_result(value)
    else:
        future.set_exception(value)


def _pack(function: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
    try:
        return pickle.dumps((function, args))
    except Exception as error:  # pickle raises whatever the objects raise
        raise EvolossError(
            f"{function!r} or its arguments cannot travel to another process ({error}); expected a function "
            "at the top of a module, and plain values"
        ) from error
