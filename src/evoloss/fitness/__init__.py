"""Fitness: what a candidate loss is judged by."""

from evoloss.fitness.loss_slopes import cross_entropy_slopes, network_slopes
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
from evoloss.fitness.slope_tables import (
    SlopeTables,
    join_tables,
    slope_error,
    tabulate_functions,
    tabulate_network,
    tabulate_slopes,
)
from evoloss.fitness.student_config import StudentConfig
from evoloss.fitness.student_tasks import StudentPlan, StudentTasks, initial_weights, learning_rates
from evoloss.fitness.students import Students, StudentScores
from evoloss.fitness.workspace import Workspace

__all__ = [
    "Couples",
    "Evaluation",
    "Objective",
    "RankingConfig",
    "RankingFitness",
    "RankingScores",
    "SlopeTables",
    "StudentConfig",
    "StudentPlan",
    "StudentScores",
    "StudentTasks",
    "Students",
    "Workspace",
    "cross_entropy_slopes",
    "initial_weights",
    "join_tables",
    "learning_rates",
    "make_couples",
    "network_slopes",
    "pair_weights",
    "ranking_scores",
    "slope_error",
    "table_of",
    "tabulate_functions",
    "tabulate_network",
    "tabulate_slopes",
]
