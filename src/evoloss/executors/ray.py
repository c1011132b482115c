"""Calls on a Ray cluster, whose nodes may come and go."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Any

import torch

from evoloss.errors import EvolossError, MissingExtraError
from evoloss.executors.protocol import ATTEMPTS, IN_FLIGHT_PER_WORKER

_STOP_SECONDS, _KNOCK_SECONDS = 10.0, 10.0


class RayExecutor:
    """Calls as Ray tasks of one core each, started again on other nodes when theirs is lost.

    A Ray that is running in this process is used and left running; otherwise one is started on this machine,
    or joined at ``address``, and left when the executor is. One that is started here listens on 127.0.0.1
    alone and has no dashboard: whoever reaches a Ray can run code on it.

    Args:
        workers: calls at the same time; by default as many as the nodes that are there have room for.
        address: of a running cluster.
        gpus_per_run: share of a GPU that each call reserves.
        threads: torch threads of each call.

    Raises:
        MissingExtraError: if Ray is not installed.
        EvolossError: if there is no cluster at the address.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        address: str | None = None,
        gpus_per_run: float = 0.0,
        threads: int = 1,
    ) -> None:
        self._ray = _import_ray()
        self._workers, self._gpus, self._threads = workers, gpus_per_run, threads
        self._refs: dict[Future[Any], Any] = {}
        self._changed = threading.Condition()
        self._joined = not self._ray.is_initialized()
        self._started = self._joined and address is None
        if self._joined:
            self._join(address)
        environment = {
            "OMP_NUM_THREADS": str(threads),
            # Calls that reserve no GPU may use one all the same, as they do without Ray.
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        }
        self._task = self._ray.remote(_call).options(
            num_cpus=1,
            num_gpus=gpus_per_run,
            max_retries=ATTEMPTS - 1,
            retry_exceptions=False,
            runtime_env={"env_vars": environment},
        )

    @property
    def workers(self) -> int:
        """Calls at the same time: what was asked for, or what the nodes that are there have room for."""
        if self._workers is not None:
            return self._workers
        there = self._ray.cluster_resources()
        room = int(there.get("CPU", 1))
        return max(1, min(room, int(there.get("GPU", 0) / self._gpus)) if self._gpus else room)

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Start ``function(*args)`` somewhere; waits while every worker has enough to do."""
        limit = self._limit()
        with self._changed:
            self._changed.wait_for(lambda: len(self._refs) < limit)
            ref = self._task.remote(self._threads, function, args)
            future: Future[Any] = Future()
            future.set_running_or_notify_cancel()
            self._refs[future] = ref
        ref.future().add_done_callback(lambda theirs: self._settle(future, theirs))
        return future

    def _limit(self) -> int:
        """Calls that may be under way."""
        if self._workers is not None and not self._started:
            return self._workers  # the cluster has cores for more, and would start what waits
        return IN_FLIGHT_PER_WORKER * self.workers

    def _settle(self, future: Future[Any], theirs: Future[Any]) -> None:
        error = theirs.exception()
        if error is None:
            future.set_result(theirs.result())
        else:
            future.set_exception(self._translate(error))
        with self._changed:
            self._refs.pop(future, None)
            self._changed.notify_all()

    def _translate(self, error: BaseException) -> BaseException:
        exceptions = self._ray.exceptions
        if isinstance(error, exceptions.RayTaskError):
            cause: BaseException = error.cause
            cause.add_note(f"On a Ray worker:\n{error}")
            return cause
        if isinstance(error, exceptions.TaskCancelledError):
            return EvolossError("the executor was stopped during this call")
        if isinstance(error, exceptions.RayError):
            translated = EvolossError(
                f"the Ray worker of a call was lost {ATTEMPTS} times ({type(error).__name__}); if memory ran "
                "out, try fewer workers"
            )
            translated.__cause__ = error
            return translated
        return error

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            if kind is not None:
                for ref in self._refs.values():
                    self._ray.cancel(ref, force=True)
            # What was stopped on a node that is lost may never answer.
            self._changed.wait_for(lambda: not self._refs, timeout=None if kind is None else _STOP_SECONDS)
        if self._joined:
            self._ray.shutdown()

    def _join(self, address: str | None) -> None:
        # No reports home and no advice on standard error; a user's own settings win.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        own: dict[str, Any] = {} if address else {"include_dashboard": False, "num_cpus": self._workers}
        try:
            if address:
                _knock(address)
            with _sigterm_handler_restored(), nullcontext() if address else _loopback_only(self._ray):
                self._ray.init(
                    address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own
                )
        except (OSError, ImportError, RuntimeError, ValueError) as error:
            place = f"at {address!r}" if address else "on this machine"
            raise EvolossError(
                f"Ray cannot be reached {place} ({str(error).rstrip('.')}); `ray start --head` starts a "
                "cluster and says its address, and without an address one is started for the sweep"
            ) from error


def _knock(address: str) -> None:
    """Raise OSError where nobody listens; Ray would try for minutes, and then end the process."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


@contextmanager
def _loopback_only(ray: Any) -> Iterator[None]:
    """Let a Ray that starts listen on 127.0.0.1 alone, unless the user's environment lets it form clusters.

    On Linux Ray listens on every interface, whatever address it is given; elsewhere it does as here.
    """
    constants = ray._private.ray_constants
    if os.environ.get(constants.ENABLE_RAY_CLUSTERS_ENV_VAR):
        yield
        return
    before = constants.ENABLE_RAY_CLUSTER
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _sigterm_handler_restored() -> Iterator[None]:
    """Let SIGTERM do what it did before; Ray makes it exit with the status 15."""
    if threading.current_thread() is not threading.main_thread():
        yield  # where Ray changes nothing
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None:  # None: set by something other than Python
            signal.signal(signal.SIGTERM, before)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError.of("ray", "ray", "the ray executor") from error
    return ray


def _call(threads: int, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    torch.set_num_threads(threads)
    return function(*args)
