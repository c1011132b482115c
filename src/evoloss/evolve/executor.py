"""Calls in this process or by an executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from evoloss.fitness import Submits

Result = TypeVar("Result")


class CountsWorkers(Submits, Protocol):
    """An executor that says how many calls run at the same time."""

    @property
    def workers(self) -> int:
        """Their number."""


class Runs:
    """Calls in this process, or by an executor.

    Args:
        executor: None for this process.

    Example:
        >>> Runs(None).map(pow, [(2, 3), (2, 4)])
        [8, 16]
    """

    def __init__(self, executor: CountsWorkers | None) -> None:
        self.executor = executor

    @property
    def workers(self) -> int:
        """Calls at the same time."""
        return 1 if self.executor is None else self.executor.workers

    def map(self, function: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]) -> list[Result]:
        """The results of a function, in the order of its arguments."""
        if self.executor is None:
            return [function(*given) for given in arguments]
        waiting = [self.executor.submit(function, *given) for given in arguments]
        return [future.result() for future in waiting]
