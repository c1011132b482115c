"""Classifiers: float inputs, already normalised, to logits."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.models.cnn import CNN, cnn
from evoloss.models.mlp import MLP, mlp

__all__ = ["CNN", "MLP", "MODELS", "ModelFactory", "build_model"]


class ModelFactory(Protocol):
    """What makes a classifier; also what ``package.module:callable`` has to name."""

    def __call__(self, *, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """Return a module that maps ``(N, *input_shape)`` to logits ``(N, n_classes)``."""


MODELS: dict[str, ModelFactory] = {
    "mlp": mlp,
    "cnn": cnn,
}


def build_model(name: str, *, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Build a classifier with fresh weights, drawn from torch's global generator.

    Args:
        name: a key of :data:`MODELS`.
        input_shape: shape of one input, ``(C, H, W)`` or ``(D,)``.
        n_classes: number of classes, at least 2.

    Raises:
        UnknownNameError: if there is no such model.
        ConfigError: if the model cannot take such inputs.
    """
    if n_classes < 2:
        raise ConfigError(f"n_classes must be at least 2, got {n_classes}")
    if name not in MODELS:
        raise UnknownNameError.among("model", name, MODELS)
    return MODELS[name](input_shape=input_shape, n_classes=n_classes)
