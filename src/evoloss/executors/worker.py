"""A worker process: how it is started, what it answers, and how it ends with its parent."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

import torch

from evoloss.errors import EvolossError, ExecutorError
from evoloss.executors.protocol import ATTEMPTS

_LOOK_SECONDS = 1.0  # between two looks at whether the parent is there, where nothing else tells
_GUARD = (
    "put what uses the executor under `if __name__ == '__main__':`, in a script that is a file, or use the "
    "serial executor"
)


class Worker:
    """A process that answers calls, and is replaced when it dies.

    Args:
        threads: torch threads.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._ended = False
        self._lock = threading.Lock()  # kill() comes from another thread than the rest

    def run(self, packed: bytes) -> bytes:
        """Send a call, and wait for its answer.

        Raises:
            ExecutorError: if the process cannot be started, or ends by itself before it is ready.
            EvolossError: if the worker was killed by :meth:`kill`, or died in every attempt.
        """
        code = None
        for _ in range(ATTEMPTS):
            pipe = self._start()
            try:
                pipe.send_bytes(packed)
                return pipe.recv_bytes()
            except (EOFError, OSError):
                code = self._bury()
        raise EvolossError(
            f"the process of a call died {ATTEMPTS} times, last with exit code {code}; a negative code is a "
            "signal, and -9 often means that memory ran out: try fewer workers"
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

    def _start(self) -> Connection:
        """Start the process and wait until it is ready, unless it is there."""
        for _ in range(ATTEMPTS):
            with self._lock:
                if self._ended:
                    raise EvolossError("the executor was stopped during this call")
                if self._pipe is not None:
                    return self._pipe
                pipe, self._process = _spawn(self._threads)
                self._pipe = pipe
            try:
                pipe.recv_bytes()
                return pipe
            except (EOFError, OSError):
                code = self._bury()
            if code is None or code >= 0:
                break  # no signal, so the next one would end in the same way
        raise ExecutorError(
            f"a worker process ended with exit code {code} before its first call; its own words stand above. "
            f"Workers import the main script: {_GUARD}"
        )

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


def require_parent() -> None:
    """Make sure that this process may start others.

    Raises:
        ExecutorError: if it is daemonic, or is importing the main script for an executor.
    """
    process = multiprocessing.current_process()
    # Set while a new process imports the main script, and only then.
    if getattr(process, "_inheriting", False):
        raise ExecutorError(
            f"this is a worker that imports the main script, and may not start workers itself: {_GUARD}"
        )
    if process.daemon:
        raise ExecutorError(
            "the processes executor cannot be used in a daemonic process, such as a worker of a pool, which "
            "may not start processes: use the serial executor there"
        )


def _spawn(threads: int) -> tuple[Connection, SpawnProcess]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    try:
        # A daemon, so that a program that forgets to shut down can end all the same.
        process = context.Process(target=_work, args=(theirs, threads, os.getpid()), daemon=True)
        with _ctrl_c_held_back():
            process.start()
    except (OSError, RuntimeError, AssertionError) as error:  # no memory; not allowed here
        ours.close()
        raise ExecutorError(f"no worker process can be started ({error})") from error
    finally:
        theirs.close()
    return ours, process


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Let a process that is started now not see Ctrl-C, until it says otherwise."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Where it is not running yet it is started by the first process, and what starts it lets Ctrl-C in again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Connection, threads: int, parent: int) -> None:
    """Answer calls until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with, args=(parent,), daemon=True, name="evoloss parent").start()
    torch.set_num_threads(threads)
    try:
        pipe.send_bytes(b"ready")
        while True:
            pipe.send_bytes(_answer(pipe.recv_bytes()))
    except (EOFError, OSError):  # the parent is gone, or needs no more
        return


def _end_with(parent: int) -> None:
    """End this process once its parent is gone, whatever it does."""
    there = multiprocessing.parent_process()
    assert there is not None
    # The sentinel tells at once, unless a third process has inherited its other end.
    while not wait([there.sentinel], _LOOK_SECONDS) and (os.name == "nt" or os.getppid() == parent):
        pass
    os._exit(1)


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
