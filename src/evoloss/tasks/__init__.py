"""Synthetic learning tasks: what students learn, with which wrong labels, and the prior of all of it."""

from evoloss.tasks.groups import TaskGroup, draw_group
from evoloss.tasks.named_priors import PRIORS, named_prior
from evoloss.tasks.prior import Prior
from evoloss.tasks.student_config import StudentConfig
from evoloss.tasks.student_plan import StudentPlan, StudentTasks, initial_weights, learning_rates

__all__ = [
    "PRIORS",
    "Prior",
    "StudentConfig",
    "StudentPlan",
    "StudentTasks",
    "TaskGroup",
    "draw_group",
    "initial_weights",
    "learning_rates",
    "named_prior",
]
