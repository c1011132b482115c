"""The types of settings, as values that come from TOML, JSON or the command line have them."""

from __future__ import annotations

import types
import typing
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from evoloss.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def require_types(config: DataclassInstance, kind: type[DataclassInstance]) -> None:
    """Check that a configuration has the types of the fields of a class, which may be a base of its own.

    Raises:
        ConfigError: if one has not.
    """
    hints = typing.get_type_hints(kind)
    for setting in fields(kind):
        value = getattr(config, setting.name)
        if not fits(value, hints[setting.name]):
            raise ConfigError(f"{setting.name} must be {type_name(hints[setting.name])}, got {value!r}")


def require_names(config: DataclassInstance) -> None:
    """Check that every field that is one of several names is one of them.

    Raises:
        UnknownNameError: if one is not.
    """
    hints = typing.get_type_hints(type(config))
    for setting in fields(config):
        hint = hints[setting.name]
        if typing.get_origin(hint) is Literal and getattr(config, setting.name) not in get_args(hint):
            raise UnknownNameError.among(setting.name, str(getattr(config, setting.name)), get_args(hint))


def fits(value: object, hint: Any) -> bool:
    """Tell whether a value read from a file has the type of a field."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return isinstance(value, str)
    if origin is tuple:
        return isinstance(value, list | tuple) and all(fits(item, get_args(hint)[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(item, get_args(hint)[1]) for item in value.values())
    if isinstance(hint, types.GenericAlias):
        return False
    if origin is types.UnionType:
        return any(fits(value, member) for member in get_args(hint))
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint


def type_name(hint: Any) -> str:
    """Name the type of a field for an error message."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return f"one of {', '.join(get_args(hint))}"
    if origin is types.UnionType:  # what may be None is left out, not written
        return " or ".join(type_name(member) for member in get_args(hint) if member is not types.NoneType)
    if origin is tuple:
        return f"a list of {get_args(hint)[0].__name__}"
    return "a table of numbers" if origin is dict else f"of type {hint.__name__}"
