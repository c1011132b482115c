"""Losses of the user's own, named ``package.module:callable``."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from evoloss.errors import ConfigError
from evoloss.safe_text import quoted
from evoloss.user_paths import current_folder_importable, find_callable

__all__ = ["make_user_loss"]

_CALL = "an nn.Module that is called as criterion(logits, target)"


def make_user_loss(spec: str, **parameters: Any) -> nn.Module:
    """Call the user's class or function, and check that a module came back.

    The current folder can be imported from, as in ``python -m``. A module that stands there already built is
    copied.

    Args:
        spec: ``package.module:callable``.
        **parameters: go to the callable as they are.

    Raises:
        UnknownNameError: if the module has nothing of that name.
        ConfigError: if the import or the call fails, or if what comes back is no module.

    Example:
        >>> make_user_loss("torch.nn:CrossEntropyLoss", label_smoothing=0.1).label_smoothing
        0.1
    """
    with current_folder_importable():
        factory = find_callable("loss", spec)
        if isinstance(factory, nn.Module):
            if parameters:
                raise ConfigError(
                    f"loss {quoted(spec, 200)} is built already and takes no parameters, got "
                    f"{', '.join(parameters)}; name its class"
                )
            return copy.deepcopy(factory)
        try:
            loss = factory(**parameters)
        except Exception as error:  # anything can go wrong in the user's code; the cause stays attached
            given = ", ".join(f"{name}={value!r}" for name, value in parameters.items())
            raise ConfigError(
                f"loss {quoted(spec, 200)}: the call with {given or 'no arguments'} failed with "
                f"{type(error).__name__}: {error}; it must take these arguments and return {_CALL}"
            ) from error
    if not isinstance(loss, nn.Module):
        raise ConfigError(
            f"loss {quoted(spec, 200)} returned {type(loss).__name__}; expected {_CALL}. "
            "Name the class, or the function that builds the loss"
        )
    return loss
