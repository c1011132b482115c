"""Fitness: what a candidate loss is judged by."""

from evoloss.fitness.ranking import (
    Couples,
    Evaluation,
    Objective,
    RankingConfig,
    RankingFitness,
    make_couples,
    pair_weights,
    table_of,
)
from evoloss.fitness.scores import RankingScores, ranking_scores
from evoloss.fitness.workspace import Workspace

__all__ = [
    "Couples",
    "Evaluation",
    "Objective",
    "RankingConfig",
    "RankingFitness",
    "RankingScores",
    "Workspace",
    "make_couples",
    "pair_weights",
    "ranking_scores",
    "table_of",
]
