"""The interface of a store: where a tool keeps runs, whatever the tool."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

Setting = bool | int | float | str
"""A setting as all tools take it."""


class StoredRun(Protocol):
    """A run that is open in a store.

    Attributes:
        id: by which the store knows it.
        last_step: the last step that the store has of it, where it goes on; else 0.
    """

    id: str
    last_step: int

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log numbers of a step; steps come in their order."""

    def describe(self, settings: Mapping[str, Setting]) -> None:
        """Log settings; each name once, and once more where a run goes on, perhaps with another value."""

    def end(self, metrics: Mapping[str, float], *, complete: bool) -> None:
        """Log what came of the run, and close it.

        Args:
            metrics: numbers of the whole run.
            complete: False for a run that was stopped.
        """


class Store(Protocol):
    """A store of runs.

    Attributes:
        name: of the tool and the place, the same in every process that logs to it; no secrets.
        place: where it is, and how to look at it, for people.
    """

    name: str
    place: str

    def begin(self, name: str, *, earlier: str | None, goes_on: bool, others: Collection[str]) -> StoredRun:
        """Open a run.

        Args:
            name: for people.
            earlier: id of an earlier part of the run, which was stopped; None for none.
            goes_on: go on with the earlier part if the store can; else that is removed as far as it can be.
            others: ids of other runs of the same directory.
        """
