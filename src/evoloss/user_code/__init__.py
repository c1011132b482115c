"""Functions and classes of the user's own, named ``package.module:callable``."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from evoloss.errors import ConfigError

__all__ = ["current_folder_importable", "find_callable"]


def find_callable(spec: str, kind: str) -> Callable[..., Any]:
    """Import what ``spec`` names.

    Args:
        spec: ``package.module:callable``.
        kind: what it makes, for the errors, such as ``"model"``.

    Raises:
        ConfigError: if the name has another form, the import fails, or it names nothing callable.
    """
    module_name, _, attribute = spec.partition(":")
    if not module_name or not attribute:
        raise ConfigError(f"{kind} {spec!r} is not of the form 'package.module:callable'")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:  # importing runs the user's code
        raise ConfigError(
            f"{kind} {spec!r}: importing {module_name!r} failed with {type(error).__name__}: {error}; "
            "it has to be installed, in the current folder, or on PYTHONPATH"
        ) from error
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise ConfigError(f"{kind} {spec!r}: {module_name!r} has no {attribute!r}")
        found = getattr(found, name)
    if not callable(found):
        raise ConfigError(
            f"{kind} {spec!r} is a {type(found).__name__}, not callable; name a function or a class"
        )
    factory: Callable[..., Any] = found
    return factory


@contextmanager
def current_folder_importable() -> Iterator[None]:
    """Let modules of the current folder be imported.

    ``python -m`` has the folder on the path, an installed command has not; users expect the former.
    """
    folder = os.getcwd()
    if folder in sys.path or "" in sys.path:
        yield
        return
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
