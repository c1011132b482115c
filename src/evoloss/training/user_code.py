"""Code and settings of modules that are not of this package, as far as they can be read."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from typing import Any

from torch import Tensor, nn

__all__ = ["attributes_of", "code_of", "is_own"]

_LIBRARIES = frozenset(["torch", "evoloss", *sys.stdlib_module_names, *sys.builtin_module_names])
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
_SIMPLE = (bool, int, float, str, type(None))


def is_own(module: nn.Module) -> bool:
    """Test whether a module's class is one of this package."""
    return _package(type(module)) == "evoloss"


def code_of(module: nn.Module) -> dict[str, str]:
    """The source of the classes of a module and its parts, and of what they name, by place.

    Functions, classes and plain constants that a class names are read too, if they come from the same
    top-level package. Code of Python, PyTorch and this package is left out: versions stand elsewhere.
    What has no source, as a class that was typed into an interpreter, has an empty one.
    """
    found: dict[str, str] = {}
    for part in module.modules():
        for kind in type(part).__mro__:
            _read(kind, found)
    return found


def attributes_of(module: nn.Module) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Plain values and tensors that a module and its parts hold as attributes, by their path.

    Parameters, buffers and what every module has are left out.
    """
    values: dict[str, Any] = {}
    tensors: dict[str, Tensor] = {}
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            if name in _OF_EVERY_MODULE:
                continue
            if isinstance(value, Tensor):
                tensors[f"{path}.{name}"] = value
            elif _is_simple(value):
                values[f"{path}.{name}"] = value
    return values, tensors


def _is_simple(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_simple, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_is_simple, value.values()))
    return isinstance(value, _SIMPLE)


def _package(thing: Any) -> str:
    return str(thing.__module__).partition(".")[0]


def _read(thing: Any, found: dict[str, str]) -> None:
    """Add the source of a class or function, and of what it names."""
    package = _package(thing)
    place = f"{thing.__module__}.{thing.__qualname__}"
    if place in found or package in _LIBRARIES:
        return
    try:
        source = inspect.getsource(thing)
    except (OSError, TypeError):
        source = ""
    found[place] = source
    scope = vars(sys.modules[thing.__module__]) if thing.__module__ in sys.modules else {}
    for name in _names_in(source):
        other = scope.get(name)
        if isinstance(other, _SIMPLE) and other is not None:
            found[f"{thing.__module__}.{name}"] = repr(other)
        elif (inspect.isclass(other) or inspect.isfunction(other)) and _package(other) == package:
            _read(other, found)


def _names_in(source: str) -> set[str]:
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError:  # a lambda in the middle of a line
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
