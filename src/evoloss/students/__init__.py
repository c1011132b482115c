"""Students: small classifiers, trained all at once with every loss of a population."""

from evoloss.students.joined_tables import join_tables
from evoloss.students.slope_tables import (
    SlopeTables,
    slope_error,
    tabulate_functions,
    tabulate_network,
    tabulate_slopes,
)
from evoloss.students.students import Students, StudentScores
from evoloss.students.workspace import Workspace

__all__ = [
    "SlopeTables",
    "StudentScores",
    "Students",
    "Workspace",
    "join_tables",
    "slope_error",
    "tabulate_functions",
    "tabulate_network",
    "tabulate_slopes",
]
