"""Generations of a search as numbers to log."""

from __future__ import annotations

from evoloss.pretraining import GenerationRecord


class GenerationNumbers:
    """Turns records into numbers, and measures the time of each generation by the one before.

    Args:
        popsize: candidates a generation; None if it is not known: then no share is rejected.
        seconds: of the search before the first record.
    """

    def __init__(self, popsize: int | None, seconds: float = 0.0) -> None:
        self._popsize, self._seconds = popsize, seconds

    def __call__(self, record: GenerationRecord) -> dict[str, float | None]:
        """Numbers of a generation; None for what was not measured in it."""
        took, self._seconds = record.seconds - self._seconds, record.seconds
        return {
            "fitness/best": record.fitness_best,
            "fitness/mean": record.fitness_mean,
            "consistency/best": record.consistency_best,
            "consistency/held_out": record.held_out_consistency,
            "points/best": record.advantage_best,
            "points/held_out_mean": record.held_out_advantage,
            "points/held_out_error": record.held_out_error,
            "score/held_out_mean": record.held_out_score,
            "rejected_share": None if self._popsize is None else record.rejected / self._popsize,
            "sigma": record.sigma,
            "generation_seconds": took,
            "seconds": record.seconds,
        }
