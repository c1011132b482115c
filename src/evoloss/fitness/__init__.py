"""Fitness: what a candidate loss is judged by."""

from evoloss.fitness.ranking import (
    Couples,
    Evaluation,
    Objective,
    RankingConfig,
    RankingFitness,
    make_couples,
)
from evoloss.fitness.scores import RankingScores, ranking_scores

__all__ = [
    "Couples",
    "Evaluation",
    "Objective",
    "RankingConfig",
    "RankingFitness",
    "RankingScores",
    "make_couples",
    "ranking_scores",
]
