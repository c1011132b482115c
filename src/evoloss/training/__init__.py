"""Training of one real classifier with one loss and one seed."""

from __future__ import annotations

from evoloss.training.config import TrainConfig, TrainRecipe
from evoloss.training.outcome import Outcome
from evoloss.training.run_result import EpochRecord, History, RunIdentity, RunResult
from evoloss.training.train import identify_run, train, train_and_observe

__all__ = [
    "EpochRecord",
    "History",
    "Outcome",
    "RunIdentity",
    "RunResult",
    "TrainConfig",
    "TrainRecipe",
    "identify_run",
    "train",
    "train_and_observe",
]
