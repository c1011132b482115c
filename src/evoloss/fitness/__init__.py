"""Fitness: what a candidate loss is judged by."""

from evoloss.fitness.group_scores import GroupScores, Submits, TaskGroupSpec, score_group, score_groups
from evoloss.fitness.learnability import (
    LARGEST_POINTS,
    Learnability,
    LearnabilityConfig,
    LearnabilityFitness,
    Scoring,
    clean_penalty,
    clean_price,
    measure_learnability,
    robust_mean,
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
    "LARGEST_POINTS",
    "Couples",
    "Evaluation",
    "GroupScores",
    "Learnability",
    "LearnabilityConfig",
    "LearnabilityFitness",
    "Objective",
    "RankingConfig",
    "RankingFitness",
    "RankingScores",
    "Scoring",
    "Submits",
    "TaskGroupSpec",
    "clean_penalty",
    "clean_price",
    "label_pulls",
    "make_couples",
    "measure_learnability",
    "pair_weights",
    "ranking_scores",
    "robust_mean",
    "score_group",
    "score_groups",
    "table_of",
    "task_scores",
    "trainable",
]
