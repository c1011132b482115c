"""Progress of a search: what is being done, what it has gained, how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from evoloss.pretraining import GenerationRecord

Stage = Literal["timing", "searching", "choosing", "reporting", "judging", "done"]
STAGES: dict[Stage, str] = {
    "timing": "timing a few students",
    "searching": "searching",
    "choosing": "choosing among the best on other tasks",
    "reporting": "reporting on the chosen one",
    "judging": "comparing with cross-entropy, GCE and the shipped losses on fresh tasks",
    "done": "done",
}
"""Stages in words, in their order."""


class Gain(NamedTuple):
    """Points over cross-entropy on held-out tasks after a generation, and their standard error."""

    generation: int
    points: float
    error: float


@dataclass
class Progress:
    """State of a search under way.

    Attributes:
        budget: seconds of the whole.
        stage: what is being done.
        generation: complete generations.
        generation_seconds: what one is expected to take.
        candidates: judged so far in this process.
        rejected: of them, those that no student could be trained with.
        gains: of the search's mean on held-out tasks.
        groups: groups of fresh tasks done, and the most there will be.
        began: when the budget began to run, on the monotonic clock; earlier parts of a resumed run count.
    """

    budget: float
    stage: Stage = "timing"
    generation: int = 0
    generation_seconds: float = 0.0
    candidates: int = 0
    rejected: int = 0
    gains: list[Gain] = field(default_factory=list)
    groups: tuple[int, int] = (0, 0)
    began: float = field(default_factory=lambda: time.monotonic())

    @property
    def seconds(self) -> float:
        """Seconds that are used."""
        return time.monotonic() - self.began

    @property
    def seconds_left(self) -> float:
        """Seconds of the budget that are left; below 0 where it is overdrawn."""
        return self.budget - self.seconds

    def catch_up(self, seconds: float) -> None:
        """Count seconds that an earlier part of the run used."""
        self.began = min(self.began, time.monotonic() - seconds)

    def take_in(self, record: GenerationRecord, popsize: int) -> None:
        """Take in the record of a generation."""
        self.generation = record.generation
        self.candidates += popsize
        self.rejected += record.rejected
        if record.held_out_advantage is not None:
            error = record.held_out_error or 0.0
            self.gains.append(Gain(record.generation, record.held_out_advantage, error))


OnProgress = Callable[[Progress], None]
"""Called whenever a stage begins, a generation ends, or groups of fresh tasks are done."""
