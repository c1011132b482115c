"""Executors by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from evoloss.errors import ConfigError
from evoloss.executors.processes import ProcessExecutor
from evoloss.executors.protocol import Executor
from evoloss.executors.serial import SerialExecutor
from evoloss.executors.threads import require_threads

ExecutorName = Literal["serial", "processes", "ray"]


@dataclass(frozen=True, kw_only=True)
class ExecutorConfig:
    """Settings of an executor.

    Raises:
        ConfigError: if a value is outside its range or has no meaning for the executor.

    Example:
        >>> ExecutorConfig(executor="processes", workers=2).workers
        2
    """

    executor: ExecutorName = "serial"
    """serial (one after the other, here), processes (of this machine), or ray (a cluster)."""
    workers: int | None = None
    """Runs at the same time; by default as many as there are cores, or as the cluster has room for."""
    address: str | None = None
    """Ray cluster: HOST:6379, or auto on one of its machines; without one, Ray starts on this machine."""
    gpus_per_run: float = 0.0
    """GPUs that Ray reserves for a run; 0.5 lets two runs share one."""

    def __post_init__(self) -> None:
        require_executor(self.executor, self.workers, self.address, self.gpus_per_run)

    def make(self, threads: int | None = None) -> Executor:
        """The executor, with so many torch threads a worker; see :func:`make_executor`."""
        return make_executor(
            self.executor,
            workers=self.workers,
            address=self.address,
            gpus_per_run=self.gpus_per_run,
            threads=threads,
        )


def make_executor(
    name: ExecutorName = "serial",
    *,
    workers: int | None = None,
    address: str | None = None,
    gpus_per_run: float = 0.0,
    threads: int | None = None,
) -> Executor:
    """Make an executor; use it in a ``with`` statement.

    Args:
        name: serial, processes or ray.
        workers: calls at the same time; by default all cores, or what the Ray cluster has room for.
        address: of a running Ray cluster; None starts Ray on this machine.
        gpus_per_run: share of a GPU that Ray reserves for a call.
        threads: torch threads of each worker; the share of the cores by default, with Ray 1. The serial
            executor leaves the threads of its process alone.

    Raises:
        ConfigError: if a value is outside its range or has no meaning for the executor.
        MissingExtraError: if Ray is asked for and not installed.
        EvolossError: if there is no Ray cluster at the address.

    Example:
        >>> with make_executor("serial") as executor:
        ...     future = executor.submit(pow, 2, 10)
        >>> future.result()
        1024
    """
    require_executor(name, workers, address, gpus_per_run)
    require_threads(threads)
    if name == "serial":
        return SerialExecutor()
    if name == "processes":
        return ProcessExecutor(workers, threads=threads)
    from evoloss.executors.ray import RayExecutor  # an extra

    return RayExecutor(workers, address=address, gpus_per_run=gpus_per_run, threads=threads or 1)


def require_executor(name: str, workers: int | None, address: str | None, gpus_per_run: float) -> None:
    """Check the choice of an executor.

    Raises:
        ConfigError: if a value is outside its range or has no meaning for the executor.
    """
    known = get_args(ExecutorName)
    if name not in known:
        raise ConfigError(f"executor must be one of {', '.join(known)}; got {name!r}")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be at least 1; got {workers}")
    if name == "serial" and workers not in (None, 1):
        raise ConfigError(f"the serial executor has one worker; for {workers} choose processes or ray")
    if not 0 <= gpus_per_run < float("inf") or (gpus_per_run > 1 and gpus_per_run % 1):
        raise ConfigError(f"gpus_per_run must be 0 to 1, or a whole number above; got {gpus_per_run}")
    if name != "ray" and (address is not None or gpus_per_run):
        raise ConfigError(f"address and gpus_per_run are for the ray executor; the executor is {name}")
