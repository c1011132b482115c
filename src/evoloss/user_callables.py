"""Code of the user's own, named ``package.module:callable``."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from evoloss.errors import ConfigError
from evoloss.safe_text import quoted

_FORM = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def names_callable(spec: str) -> bool:
    """Test whether a text has the form ``package.module:callable``; nothing is imported.

    Example:
        >>> names_callable("package.losses:MyLoss"), names_callable("gce"), names_callable("C:/loss")
        (True, False, False)
    """
    return _FORM.fullmatch(spec) is not None


def find_callable(kind: str, spec: str) -> Callable[..., Any]:
    """Import what the user named.

    Args:
        kind: what it makes, for messages, such as ``"model"``.
        spec: ``package.module:callable``; the callable may be an attribute of a class.

    Raises:
        ConfigError: if the text has another form, the import fails, or nothing callable is found.
    """
    what = f"{kind} {quoted(spec, 200)}"
    module_name, _, attribute = spec.partition(":")
    if not module_name or not attribute:
        raise ConfigError(f"{what} is not of the form 'package.module:callable'")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:  # importing runs the user's code
        raise ConfigError(
            f"{what}: importing {module_name!r} failed with {type(error).__name__}: {error}; "
            "it has to be installed, in the current folder, or on PYTHONPATH"
        ) from error
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise ConfigError(f"{what}: {module_name!r} has no {attribute!r}")
        found = getattr(found, name)
    if not callable(found):
        raise ConfigError(f"{what} is a {type(found).__name__}, not callable; name a function or a class")
    factory: Callable[..., Any] = found
    return factory


@contextmanager
def current_folder_importable() -> Iterator[None]:
    """Let modules of the current folder be imported.

    ``python -m`` does so, an installed command does not, and users expect the former.
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
