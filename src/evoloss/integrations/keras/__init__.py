"""Losses for Keras 3, on its torch and JAX backends.

They are the formulas of the PyTorch losses, evaluated by the library that Keras runs on.
"""

from evoloss.integrations.keras.backend import BACKEND
from evoloss.integrations.keras.layer import TrainingState
from evoloss.integrations.keras.loss import EvolvedLoss

__all__ = ["BACKEND", "EvolvedLoss", "TrainingState"]
