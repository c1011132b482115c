"""Settings with numbers of NumPy, made numbers of Python, which files and checks of types know."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def make_python(config: DataclassInstance) -> None:
    """Replace the numbers of NumPy in a configuration, frozen or not, also within its lists and tables."""
    for field in fields(config):
        given = getattr(config, field.name)
        python = python_setting(given)
        if python is not given:
            object.__setattr__(config, field.name, python)


def python_setting(value: Any) -> Any:
    """The same setting without NumPy; what has none of it is returned as it is.

    Example:
        >>> python_setting((np.int64(3), np.float64(0.5), "gce"))
        (3, 0.5, 'gce')
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if type(value) in (list, tuple):
        python = [python_setting(entry) for entry in value]
        changed = any(new is not old for new, old in zip(python, value, strict=True))
        return type(value)(python) if changed else value
    if type(value) is dict:
        made = {key: python_setting(entry) for key, entry in value.items()}
        return made if any(made[key] is not value[key] for key in made) else value
    return value
