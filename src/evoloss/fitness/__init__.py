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
from evoloss.fitness.loss_slopes import (
    KNOWN_SLOPES,
    START_SLOPES,
    cross_entropy_slopes,
    function_slopes,
    network_slopes,
)
from evoloss.fitness.prior import PRIORS, Prior, named_prior
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
from evoloss.fitness.task_groups import TaskGroup, draw_group
from evoloss.fitness.trainability import label_pulls, trainable
from evoloss.fitness.workspace import Workspace

__all__ = [
    "KNOWN_SLOPES",
    "PRIORS",
    "START_SLOPES",
    "Couples",
    "Evaluation",
    "Learnability",
    "LearnabilityConfig",
    "LearnabilityFitness",
    "Objective",
    "Prior",
    "RankingConfig",
    "RankingFitness",
    "RankingScores",
    "Scoring",
    "SlopeTables",
    "StudentConfig",
    "StudentPlan",
    "StudentScores",
    "StudentTasks",
    "Students",
    "Submits",
    "TaskGroup",
    "Unit",
    "UnitScores",
    "Workspace",
    "cross_entropy_slopes",
    "draw_group",
    "function_slopes",
    "initial_weights",
    "join_tables",
    "label_pulls",
    "learning_rates",
    "make_couples",
    "measure_learnability",
    "named_prior",
    "network_slopes",
    "pair_weights",
    "ranking_scores",
    "robust_mean",
    "run_units",
    "score_unit",
    "slope_error",
    "table_of",
    "tabulate_functions",
    "tabulate_network",
    "tabulate_slopes",
    "task_scores",
    "trainable",
]
