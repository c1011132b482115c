"""Paths as people write them: of files, with ``~`` and links; of code, as ``package.module:callable``."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.safe_text import quoted

_MOST_NAMES = 30  # of a module that are listed in an error
_FORM = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def expand_user(path: str | Path) -> Path:
    """Return the path with a leading ``~`` or ``~name`` replaced by that home directory.

    Raises:
        ConfigError: if there is no such user, or no home directory is known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # what pathlib raises
        raise ConfigError(
            f"the home directory of {str(path)!r} is not known; write the path out, with ./ in front if the "
            "folder's name does begin with ~"
        ) from error


def real_path(path: str | Path) -> Path:
    """Return the absolute path with symbolic links followed; it need not exist.

    Raises:
        ConfigError: if a link leads back to itself.
    """
    try:
        return Path(path).resolve()
    except RuntimeError as error:  # what pathlib raises before Python 3.13
        raise ConfigError(f"{str(path)!r} is a symbolic link that leads back to itself") from error


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
        ConfigError: if the text has another form, the import fails, or what is found cannot be called.
        UnknownNameError: if the module is there and has nothing of that name; it lists what it has.
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
    where = module_name
    for name in attribute.split("."):
        if not hasattr(found, name):
            known = _callables(found, module_name, name)
            raise UnknownNameError.among(f"{kind} in {quoted(where, 200)} with the name", name, known)
        found, where = getattr(found, name), f"{where}.{name}"
    if not callable(found):
        raise ConfigError(f"{what} is a {type(found).__name__}, not callable; name a function or a class")
    factory: Callable[..., Any] = found
    return factory


def _callables(place: object, module_name: str, wanted: str) -> list[str]:
    """The public names of a module or a class that may be called, at most 30; of many those nearest to one.

    What was imported from elsewhere is left out unless its name is near. Nothing is looked up: that could
    import more, in a module that loads its parts late.
    """
    package = module_name.partition(".")[0]
    names: list[str] = []
    imported: list[str] = []
    for name in dir(place):
        if name.startswith("_"):
            continue
        value = inspect.getattr_static(place, name, None)
        if value is not None and not callable(value):
            continue
        is_code = inspect.isroutine(value) or inspect.isclass(value)  # what is built already has no home
        home = getattr(value, "__module__", None) if is_code else None
        is_own = not isinstance(home, str) or home.partition(".")[0] == package
        (names if is_own else imported).append(name)
    names += difflib.get_close_matches(wanted, imported)
    if len(names) > _MOST_NAMES:
        names = difflib.get_close_matches(wanted, names, n=_MOST_NAMES, cutoff=0.0)
    return names or ["(nothing that can be called)"]


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
