"""The interface of an executor: ``submit``, and a bound on what is under way."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Protocol

IN_FLIGHT_PER_WORKER = 2
"""Calls under way for each worker, the running one included: enough that no worker waits for the next."""

ATTEMPTS = 3
"""Number of times that a call is started whose worker dies under it."""


class Executor(Protocol):
    """Somewhere to run independent calls.

    Used as a context manager: leaving it waits for what was submitted, leaving it with an exception ends what
    is still running.
    """

    @property
    def workers(self) -> int:
        """Number of calls that run at the same time."""

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Start ``function(*args)``; waits while every worker has enough to do.

        Args:
            function: defined at the top of a module, so that another process can import it.
            *args: plain values, for they may travel.

        Returns:
            A future with what the function returned or raised; with an :class:`~evoloss.errors.EvolossError`
            where the call's worker died again and again.
        """

    def __enter__(self) -> Executor:
        """Return itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shut down."""
