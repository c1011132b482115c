"""Fitness: what a candidate loss is judged by."""

from evoloss.fitness.learnability import (
    Learnability,
    LearnabilityConfig,
    LearnabilityFitness,
    Scoring,
    Submits,
    Unit,
    UnitScores,
    measure_learnability,
    robust_mean,
    run_units,
    score_unit,
    task_scores,
)
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
from evoloss.fitness.trainability import label_pulls, trainable

__all__ = [
    "Couples",
    "Evaluation",
    "Learnability",
    "LearnabilityConfig",
    "LearnabilityFitness",
    "Objective",
    "RankingConfig",
    "RankingFitness",
    "RankingScores",
    "Scoring",
    "Submits",
    "Unit",
    "UnitScores",
    "label_pulls",
    "make_couples",
    "measure_learnability",
    "pair_weights",
    "ranking_scores",
    "robust_mean",
    "run_units",
    "score_unit",
    "table_of",
    "task_scores",
    "trainable",
]
