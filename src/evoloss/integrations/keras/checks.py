"""Checks of what a loss is given in Keras."""

from __future__ import annotations

from typing import Any

import keras

from evoloss.errors import ConfigError
from evoloss.losses.call.numbers import python_number, shown_number


def checked_labels(y_true: Any, y_pred: Any) -> Any:
    """Labels of one shape with predictions, or without their last axis.

    Args:
        y_true: class indices ``(...)`` or ``(..., 1)``, or class probabilities ``(..., C)``.
        y_pred: predictions, ``(..., C)``.

    Raises:
        ConfigError: if shapes do not fit.
    """
    found, shape = tuple(y_true.shape), tuple(y_pred.shape)
    if len(shape) < 2:
        raise ConfigError(f"predictions have shape {shape}; expected (batch, ..., C), an entry a class")
    if shape[-1] == 1:
        raise ConfigError(
            "predictions have one entry a sample; expected one a class: for two classes Dense(2), with class "
            "indices as labels"
        )
    if len(found) == len(shape) and found[-1] == 1:
        y_true, found = keras.ops.squeeze(y_true, -1), found[:-1]
    if not _fits(found, shape) and not _fits(found, shape[:-1]):
        raise ConfigError(
            f"labels have shape {found}, predictions {shape}; expected class indices {shape[:-1]} or class "
            f"probabilities {shape}"
        )
    return y_true


def _fits(shape: tuple[int | None, ...], expected: tuple[int | None, ...]) -> bool:
    """True if two shapes are the same, as far as they are known."""
    pairs = zip(shape, expected, strict=False)
    return len(shape) == len(expected) and all(a == b for a, b in pairs if None not in (a, b))


def checked_name(loss: Any) -> str:
    """The name of a loss, which a configuration can hold.

    Raises:
        ConfigError: if it is none.
    """
    if not isinstance(loss, str):
        raise ConfigError(f"a loss is given by its name here, got a {type(loss).__name__}")
    return loss


def checked_flag(from_logits: Any) -> bool:
    """The flag ``from_logits``, as Python has it.

    Raises:
        ConfigError: if that is neither True nor False.
    """
    if from_logits not in (True, False):
        raise ConfigError(f"from_logits must be True or False, got {shown_number(from_logits)}")
    return bool(from_logits)


def checked_class(ignore_class: Any) -> int | None:
    """The class index to ignore, None for none.

    Raises:
        ConfigError: if it is no whole number.
    """
    number = python_number(ignore_class)
    if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
        raise ConfigError(f"ignore_class must be a class index or None, got {shown_number(ignore_class)}")
    return number
