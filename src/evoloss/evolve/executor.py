"""Calls in this process or by an executor; those of the judging are written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol

from evoloss.evolve.journal import Entry, Journal, Key
from evoloss.evolve.progress import Progress
from evoloss.fitness import Submits, TaskGroupSpec


class CountsWorkers(Submits, Protocol):
    """An executor that says how many calls run at the same time."""

    @property
    def workers(self) -> int:
        """Their number."""


class Recorded:
    """An executor that notes what groups of the judging came to, and takes from the record what it has.

    A call is one of the judging if its first argument is a :class:`~evoloss.fitness.TaskGroupSpec` of one of
    the sets of tasks, and its last one the parameters of the losses. Other calls are passed on.

    Args:
        executor: where calls run; None for this process, when a result is asked for.
        journal: the record.
        progress: whose clock the record follows: what an earlier part of the run took is counted.
        kinds: for each set of tasks what its results are, named tuples of tensors.

    Attributes:
        seconds: of the run, when the last result that was asked for was there.
    """

    def __init__(
        self,
        executor: CountsWorkers | None,
        journal: Journal,
        progress: Progress,
        kinds: Mapping[str, Callable[..., Any]],
    ) -> None:
        self.executor, self.journal, self.progress, self.kinds = executor, journal, progress, kinds
        self.seconds = 0.0

    @property
    def workers(self) -> int:
        """Calls at the same time."""
        return 1 if self.executor is None else self.executor.workers

    def submit(self, function: Any, /, *args: Any) -> Future[Any]:
        """Start a call; in this process it is made when its result is asked for."""
        key = self._key(args)
        if key is not None and self.is_known(key):
            return _Asked(lambda: self._known(key))
        waiting = None if self.executor is None else self.executor.submit(function, *args)
        if key is None and waiting is not None:
            return waiting

        def result() -> Any:
            found = function(*args) if waiting is None else waiting.result()
            return found if key is None else self._note(key, found)

        return _Asked(result)

    def is_known(self, key: Key) -> bool:
        """Tell whether the record has a result."""
        return self.journal.find(key) is not None

    def _key(self, args: tuple[Any, ...]) -> Key | None:
        spec = args[0] if args else None
        if not isinstance(spec, TaskGroupSpec) or spec.labels[0] not in self.kinds:
            return None
        return Key.of(str(spec.labels[0]), spec.group, args[-1])

    def _known(self, key: Key) -> Any:
        entry = self.journal.find(key)
        assert entry is not None
        self.progress.catch_up(entry.seconds)
        self.seconds = entry.seconds
        return self.kinds[key.tasks](**entry.result)

    def _note(self, key: Key, found: Any) -> Any:
        self.seconds = self.progress.seconds
        self.journal.add(key, Entry(found._asdict(), self.seconds))
        return found


class _Asked(Future[Any]):
    """A future whose result is made when it is asked for, once."""

    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__()
        self._make = make

    def result(self, timeout: float | None = None) -> Any:
        if not self.done():
            self.set_result(self._make())
        return super().result(timeout)
