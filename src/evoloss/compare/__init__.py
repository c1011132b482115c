"""Comparisons of losses on real data: many trainings, their statistics and the results file."""

from __future__ import annotations

from evoloss.compare.comparison import compare
from evoloss.compare.config import CompareConfig
from evoloss.compare.joint.comparison import compare_datasets
from evoloss.compare.joint.results import JointResults
from evoloss.compare.keeping.classifier import TrainedClassifier, load_classifier
from evoloss.compare.keeping.suspects import Suspects
from evoloss.compare.results import Results
from evoloss.compare.statistics import LossSummary, PairedDifference

__all__ = [
    "CompareConfig",
    "JointResults",
    "LossSummary",
    "PairedDifference",
    "Results",
    "Suspects",
    "TrainedClassifier",
    "compare",
    "compare_datasets",
    "load_classifier",
]
