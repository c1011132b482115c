"""The errors of evoloss: few classes, one base.

Misuse of a loss (shapes, dtypes, targets out of range) raises what PyTorch raises for
``nn.CrossEntropyLoss``; every other mistake raises a class of this module.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

from evoloss.safe_text import one_line, quoted

_LONGEST_NAME = 200  # of a name that is looked up; a stranger's file may hold any


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest known name as a sentence with a space before it; empty where none is near.

    Capitals do not count. Of several names that are near, one of the same letters comes first: people swap
    two.

    Example:
        >>> did_you_mean("gec", ["ogc", "gce"])
        " Did you mean 'gce'?"
    """
    wanted, lower = name[:_LONGEST_NAME].lower(), {other.lower(): other for other in reversed(list(known))}
    near = difflib.get_close_matches(wanted, lower, n=5)
    near.sort(key=lambda other: sorted(other) != sorted(wanted))
    return f" Did you mean {quoted(lower[near[0]])}?" if near else ""


class EvolossError(Exception):
    """Base of every error that evoloss raises on purpose."""


class ConfigError(EvolossError, ValueError):
    """A configuration value is outside its range, or two values contradict each other."""


class UnknownNameError(EvolossError, LookupError):
    """A name (loss, model, data set, strategy, ...) is not registered."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str], hint: str = "") -> UnknownNameError:
        """Build the error with the nearest known name and the whole list.

        Args:
            kind: what is looked up, in the singular, such as ``"loss"``.
            name: the name that was not found.
            known: every name that would have been found.
            hint: a sentence with a space before it, where no known name is near.
        """
        names = list(known)
        near = did_you_mean(name, names) or hint
        return cls(f"no {kind} {quoted(name, _LONGEST_NAME)}.{near} Known: {', '.join(names)}")


class ArtefactError(EvolossError):
    """A saved loss cannot be read: missing, damaged, oversized, mistyped or from a newer version."""


class CheckpointError(EvolossError):
    """A checkpoint cannot be read, or belongs to another configuration."""


class DataError(EvolossError):
    """A data set is missing, damaged or not in the expected layout."""


class ResultsError(EvolossError):
    """A results file cannot be read, or does not follow the schema."""


class OutputError(EvolossError):
    """A file that evoloss did not write stands where it would write."""


class InUseError(EvolossError):
    """A directory is being written to by another process."""


class ExecutorError(EvolossError):
    """Calls cannot be made in other processes."""


class CallbackError(EvolossError):
    """A function of the user's that was called back raised an error, which is the cause of this one.

    Attributes:
        results: what was done before, where it is kept in memory alone: the :class:`~evoloss.compare.Results`
            of a comparison, the runs of an ablation; None elsewhere.
    """

    results: object = None


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


class CanonicalFormError(EvolossError):
    """A loss has no canonical form: its gradient at the uniform prediction does not point down."""


class MissingExtraError(EvolossError, ImportError):
    """An optional dependency is not installed, or in a version that will not do."""

    @classmethod
    def of(
        cls, package: str, extra: str, purpose: str, error: ImportError | None = None
    ) -> MissingExtraError:
        """Build the error with the command that installs what is missing.

        Args:
            package: the import that failed.
            extra: the extra of evoloss that brings it.
            purpose: what needs it, such as ``"drawing figures"``.
            error: what importing it raised; None takes the error that is being handled. Where something was
                found, and not what was wanted of it, the message has it.
        """
        failed = sys.exception() if error is None else error
        if isinstance(failed, ImportError) and not isinstance(failed, ModuleNotFoundError):
            return cls(
                f"{purpose} needs {package}, which is installed in a version that will not do, or with such "
                f"a version of what it needs ({one_line(failed, 300)}): pip install 'evoloss[{extra}]'"
            )
        return cls(f"{purpose} needs {package}, which is not installed: pip install 'evoloss[{extra}]'")
