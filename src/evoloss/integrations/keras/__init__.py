"""Losses for Keras 3, on its torch and JAX backends.

They are the formulas of the PyTorch losses, evaluated by the library that Keras runs on.
"""

from evoloss.errors import ConfigError, MissingExtraError

try:
    import keras
except ImportError as error:
    raise MissingExtraError.of("keras", "keras", "evoloss.integrations.keras") from error

if keras.backend.backend() not in ("torch", "jax"):
    raise ConfigError(
        f"Keras runs on {keras.backend.backend()}; losses are for its backends torch and jax: set the "
        "environment variable KERAS_BACKEND to one of them before Keras is imported"
    )

from evoloss.integrations.keras.layer import TrainingState
from evoloss.integrations.keras.loss import EvolvedLoss

__all__ = ["EvolvedLoss", "TrainingState"]
