"""Functions of the user's that are called while something is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from evoloss.errors import CallbackError

Record = TypeVar("Record")


def guarded(name: str, callback: Callable[[Record], object] | None, kept: str) -> Callable[[Record], None]:
    """Return a function that calls a callback until it fails for the first time.

    Callbacks are told what has happened and decide nothing: what they return is not used.
    ``KeyboardInterrupt`` and ``SystemExit`` go through.

    Args:
        name: of the parameter, for the message.
        callback: of the user; None for none.
        kept: where what was done before is, and how to go on, for the message.

    Raises:
        CallbackError: by the function, where the callback raises an ``Exception``; later calls do nothing, so
            that what is under way can be brought to an end.

    Example:
        >>> tell = guarded("on_run", lambda run: 1 / 0, "the runs that are done are in mine")
        >>> tell("a run")
        Traceback (most recent call last):
        evoloss.errors.CallbackError: the callback on_run raised ZeroDivisionError: division by zero; the runs
        that are done are in mine
        >>> tell("another run")
    """
    failed = callback is None

    def tell(record: Record) -> None:
        nonlocal failed
        if failed or callback is None:
            return
        try:
            callback(record)
        except CallbackError:  # of a callback inside this one
            failed = True
            raise
        except Exception as error:
            failed = True
            text = " ".join(f"{type(error).__name__}: {error}".split())
            raise CallbackError(f"the callback {name} raised {text}; {kept}") from error

    return tell
