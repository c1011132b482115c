"""Calls in processes of this machine, each with its share of the cores."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any

import torch

from evoloss.errors import EvolossError
from evoloss.executors.protocol import ATTEMPTS, IN_FLIGHT_PER_WORKER


class ProcessExecutor:
    """Worker processes, each served by a thread over a pipe.

    A pool of the standard library breaks as a whole when a process dies. Here the thread sees which call died
    with its process, starts another process, and tries the call again. Workers end when their pipe closes, so
    none is left behind by a parent that was killed.

    Args:
        workers: processes; all cores by default.
        threads: torch threads of each; its share of the cores by default, at least 1.
    """

    def __init__(self, workers: int | None = None, *, threads: int | None = None) -> None:
        self.workers = workers or count_cores()
        self.threads = threads or max(1, count_cores() // self.workers)
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(IN_FLIGHT_PER_WORKER * self.workers)
        self._stopped = False
        self._workers = [_Worker(self.threads) for _ in range(self.workers)]
        self._servers = [
            threading.Thread(target=self._serve, args=(worker,), daemon=True, name="evoloss worker")
            for worker in self._workers
        ]
        for server in self._servers:
            server.start()

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Queue ``function(*args)``; waits while every worker has enough to do.

        Raises:
            EvolossError: if the executor was shut down, or if the call cannot travel to another process.
        """
        if self._stopped:
            raise EvolossError("this executor was shut down; make another one")
        call = _Call(_pack(function, args), Future())
        self._room.acquire()
        call.future.add_done_callback(lambda _: self._room.release())
        self._calls.put(call)
        return call.future

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

    def _serve(self, worker: _Worker) -> None:
        with suppress(OSError):  # tried again with the first call, which can tell
            worker.start()
        while (call := self._calls.get()) is not None:
            if call.future.set_running_or_notify_cancel():
                worker.run(call)
        worker.close()


def count_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class _Call:
    packed: bytes
    future: Future[Any]


class _Worker:
    """A process that is replaced when it dies."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._ended = False
        self._lock = threading.Lock()  # kill() comes from another thread than the rest

    def run(self, call: _Call) -> None:
        """Run a call, and settle its future."""
        code = None
        for _ in range(ATTEMPTS):
            try:
                pipe = self.start()
                if pipe is None:
                    call.future.set_exception(EvolossError("the executor was stopped during this call"))
                    return
                pipe.send_bytes(call.packed)
                answer = pipe.recv_bytes()
            except (EOFError, OSError):
                code = self._bury()
                continue
            _settle(call.future, answer)
            return
        call.future.set_exception(
            EvolossError(
                f"the process of a call died {ATTEMPTS} times, last with exit code {code}; a negative code "
                "is a signal, and -9 often means that memory ran out: try fewer workers"
            )
        )

    def kill(self) -> None:
        """End the process for good, whatever it does."""
        with self._lock:
            self._ended = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Let an idle process end, and wait for it."""
        self._bury()

    def start(self) -> Connection | None:
        """Start the process, unless it is there; None once the worker was killed."""
        with self._lock:
            if self._ended:
                return None
            if self._pipe is None:
                context = multiprocessing.get_context("spawn")
                ours, theirs = context.Pipe()
                # A daemon, so that a program that forgets to shut down can end all the same.
                process = context.Process(target=_work, args=(theirs, self._threads), daemon=True)
                process.start()
                theirs.close()
                self._pipe, self._process = ours, process
            return self._pipe

    def _bury(self) -> int | None:
        with self._lock:
            process, pipe = self._process, self._pipe
        if process is None or pipe is None:
            return None
        pipe.close()
        process.join()
        with self._lock:
            self._process = self._pipe = None
        code = process.exitcode
        process.close()
        return code


def _settle(future: Future[Any], answer: bytes) -> None:
    try:
        returned, value = pickle.loads(answer)
    except Exception as error:  # what a result does while it is unpacked is up to its class
        returned, value = False, error
    if returned:
        future.set_result(value)
    else:
        future.set_exception(value)


def _work(pipe: Connection, threads: int) -> None:
    """Answer calls until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    torch.set_num_threads(threads)
    while True:
        try:
            packed = pipe.recv_bytes()
        except EOFError:
            return
        try:
            pipe.send_bytes(_answer(packed))
        except OSError:  # the parent is gone
            return


def _answer(packed: bytes) -> bytes:
    try:
        function, args = pickle.loads(packed)
        return pickle.dumps((True, function(*args)))
    except Exception as error:
        return _pack_error(error)


def _pack_error(error: Exception) -> bytes:
    error.add_note("In the worker process:\n" + "".join(traceback.format_exception(error)))
    try:
        packed = pickle.dumps((False, error))
        pickle.loads(packed)  # some exceptions can be packed, but not unpacked
    except Exception:
        return pickle.dumps((False, EvolossError(f"{type(error).__name__}: {error}")))
    return packed


def _pack(function: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
    try:
        return pickle.dumps((function, args))
    except Exception as error:  # pickle raises whatever the objects raise
        raise EvolossError(
            f"{function!r} or its arguments cannot travel to another process ({error}); expected a function "
            "at the top of a module, and plain values"
        ) from error
