"""The end of a search: when the time that is left is needed for the judging, or as the record has it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from evoloss.evolve.budget import Plan
from evoloss.evolve.journal import Head, Journal
from evoloss.evolve.progress import Progress
from evoloss.pretraining import GenerationRecord

_MOST_FINISHING = 0.05  # share of the budget for files and figures, where the machine turns out slower


class Ending:
    """Tells after every generation whether the search ends, and begins the record of the judging then.

    A search that has ended ends with the same generation when it is resumed, unless its budget is larger than
    it was. Else the generations measure how busy the machine is: what one took beyond what was planned is
    what the judging is expected to take beyond its plan.

    Args:
        plan: the search.
        budget: seconds of the whole.
        journal: the record of the judging.
        progress: whose clock is set by that of the run, so that what an earlier part took is counted.
        finishing: seconds that files and figures take.
        history: records of an earlier part of the run.
    """

    def __init__(
        self,
        plan: Plan,
        budget: float,
        journal: Journal,
        progress: Progress,
        finishing: float,
        history: Sequence[GenerationRecord] = (),
    ) -> None:
        self.plan, self.budget, self.journal, self.progress = plan, budget, journal, progress
        self.finishing = finishing
        self._pace = GenerationPace(plan.generation, history)
        self._spent = progress.seconds  # before the clock of the run begins

    def __call__(self, generation: int, seconds: float) -> bool:
        """Tell whether the search ends with a generation, after so many seconds of the run."""
        self.progress.began = time.monotonic() - seconds - self._spent
        self.progress.generation = generation
        head = self.journal.head
        if head is not None and self.budget <= head.budget_seconds:
            return generation >= head.generation
        following = self._pace.next_one(generation, seconds)
        slower = max(1.0, following / max(self.plan.generation, 1e-9))
        finishing = max(self.finishing, min(slower * self.finishing, _MOST_FINISHING * self.budget))
        looks = generation // self.plan.config.eval_every + 1
        kept = self.plan.reserve(looks, slower, self.budget) + finishing
        used = self._spent + seconds
        if used + following + kept > self.budget:
            self.journal.begin(Head(generation, self.budget, used, finishing))
            return True
        if head is not None and generation >= head.generation:
            self.journal.discard()
        return False

    def take_in(self, record: GenerationRecord) -> None:
        """Take in the time of a generation."""
        self._pace.take_in(record)

    def begin_judging(self) -> Head:
        """The end of the search, which is noted here if the search has ended by itself."""
        if self.journal.head is None:
            used = self.progress.seconds
            self.journal.begin(Head(self.progress.generation, self.budget, used, self.finishing))
        assert self.journal.head is not None
        return self.journal.head


class GenerationPace:
    """Estimate of the seconds of the next generation, from those before it.

    Some of them look at held-out tasks, so the longest lately counts.

    Args:
        expected: seconds, before there is one.
        history: records of an earlier part of the run.
    """

    def __init__(self, expected: float, history: Sequence[GenerationRecord] = ()) -> None:
        self.seconds = expected
        self.generation, self.ended = 0, 0.0  # the last one that is known
        for record in history:
            self.take_in(record)

    def take_in(self, record: GenerationRecord) -> None:
        """Take in the time of a generation."""
        if record.generation > self.generation:
            took = (record.seconds - self.ended) / (record.generation - self.generation)
            self.seconds = max(took, 0.8 * self.seconds)
            self.generation, self.ended = record.generation, record.seconds

    def next_one(self, generation: int, seconds: float) -> float:
        """Its seconds, asked for when ``generation`` has ended after so many seconds of the run."""
        if generation > self.generation:  # whose record is not there yet
            took = (seconds - self.ended) / (generation - self.generation)
            return max(took, 0.8 * self.seconds)
        return self.seconds
