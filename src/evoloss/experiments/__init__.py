"""Comparisons of losses on real data: many trainings, their statistics and the results file."""

from __future__ import annotations

from evoloss.experiments.compare import compare
from evoloss.experiments.compare_config import CompareConfig
from evoloss.experiments.results import Results
from evoloss.experiments.statistics import LossSummary, PairedDifference

__all__ = ["CompareConfig", "LossSummary", "PairedDifference", "Results", "compare"]
