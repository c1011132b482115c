"""The record of a generation, from what was measured in it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from evoloss.fitness import Evaluation, RankingScores
from evoloss.pretraining.evaluation.held_out_tasks import HeldOutAdvantage
from evoloss.pretraining.history import GenerationRecord


def record_of(
    generation: int,
    seconds: float,
    attempt: int,
    evaluation: Evaluation,
    state: Mapping[str, Tensor],
    scores: Mapping[int, RankingScores] | None,
    advantages: HeldOutAdvantage | None,
    parents: list[int] | None,
) -> GenerationRecord:
    """Gather the record of a generation.

    Args:
        generation: its number, from 1.
        seconds: since the start of the run.
        attempt: from which of the run's starts, from 1.
        evaluation: of its candidates.
        state: of the strategy after it.
        scores: of the search's mean on held-out pairs by class count, where they were measured.
        advantages: of the search's mean on held-out tasks, where it was measured.
        parents: places of the candidates that the next mean is made of, where the strategy tells.
    """
    accepted = evaluation.fitness.isfinite()
    fitness = evaluation.fitness[accepted]
    best = int(evaluation.fitness.argmin()) if len(fitness) else None
    sigma = state.get("sigma")
    worth = evaluation.consistency if evaluation.advantage is None else evaluation.advantage
    return GenerationRecord(
        generation=generation,
        fitness_best=None if best is None else float(evaluation.fitness[best]),
        fitness_mean=float(fitness.mean()) if len(fitness) else None,
        consistency_best=None if best is None else float(evaluation.consistency[best]),
        rejected=evaluation.rejected,
        sigma=None if sigma is None else float(sigma.mean()),
        seconds=seconds,
        held_out_consistency=min(score.consistency for score in scores.values()) if scores else None,
        advantage_best=None
        if best is None or evaluation.advantage is None
        else float(evaluation.advantage[best]),
        held_out_advantage=None if advantages is None else advantages.accuracy,
        held_out_score=None if advantages is None else advantages.score,
        attempt=attempt,
        held_out_error=None if advantages is None else advantages.error,
        parents=parents,
        parent_scores=None if parents is None else _rounded(worth, parents),
    )


def _rounded(values: Tensor, places: list[int]) -> list[float]:
    """Some of the values, to six decimals: a history is read by people, and as long as its search."""
    rounded: list[float] = values[places].double().round(decimals=6).tolist()
    return rounded
