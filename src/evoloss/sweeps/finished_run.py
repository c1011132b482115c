"""A run that has ended, as a callback is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class FinishedRun(Generic[Result]):
    """One run of a comparison or an ablation, once its result is known and written.

    Attributes:
        result: the :class:`~evoloss.training.RunResult` of a comparison's run, or the
            :class:`~evoloss.ablate.statistics.AblationRun` of an ablation's.
        key: name of the run, the hash of all that determines it; its file in ``runs`` has this name.
        done: runs that are known by now, this one included.
        planned: runs in all; a comparison that widens its grid of learning rates plans more as it goes on.
        recalled: whether the result was found in the directory, and not computed by this call.
    """

    result: Result
    key: str
    done: int
    planned: int
    recalled: bool
