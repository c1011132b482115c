"""The library that Keras runs on."""

from __future__ import annotations

from typing import Literal

from evoloss.errors import ConfigError, MissingExtraError

_SET = "set the environment variable KERAS_BACKEND to torch or jax before Keras is imported"


def _backend() -> Literal["torch", "jax"]:
    """Return the name of the backend.

    Raises:
        MissingExtraError: if Keras is not installed.
        ConfigError: if it runs on a library that losses are not for.
    """
    try:
        import keras
    except ImportError as error:
        if error.name == "keras":
            raise MissingExtraError.of("keras", "keras", "evoloss.integrations.keras") from error
        raise ConfigError(f"Keras is there, and what it would run on is not ({error}): {_SET}") from error
    name = keras.backend.backend()
    if name == "torch":
        return "torch"
    if name == "jax":
        return "jax"
    raise ConfigError(f"losses are for the backends torch and jax of Keras, not {name}: {_SET}")


BACKEND = _backend()
"""The backend, one for a process."""
