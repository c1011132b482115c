"""Dataclasses from JSON values, by their type hints, with errors that name the place."""

from __future__ import annotations

import math
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


class DecodeError(Exception):
    """A JSON value does not fit its type; the message says where."""


def build(cls: type[T], value: object, where: str = "") -> T:
    """Build a dataclass from a dict with exactly its fields; those that have a default may be missing.

    Known field types: bool, int, float (also from an int), str, None, unions of these, ``Any``,
    ``tuple[X, ...]`` from a list, ``dict[str, X]``, and dataclasses, also as ``X | None``. Numbers have to be
    finite.

    Raises:
        DecodeError: if a field is missing, unknown or of another type.
    """
    if not isinstance(value, dict):
        raise DecodeError(f"{where or 'the document'} is {_describe(value)}; expected an object")
    hints = _type_hints(cls)  # type: ignore[arg-type]  # a class is hashable
    entries = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]  # T is a dataclass
    prefix = f"{where}." if where else ""
    for name, entry in entries.items():
        if name not in value and entry.default is MISSING and entry.default_factory is MISSING:
            raise DecodeError(f"{prefix}{name} is missing")
    for name in value:
        if name not in entries:
            raise DecodeError(f"{prefix}{name} is not a known entry")
    present = [name for name in entries if name in value]
    return cls(**{name: _convert(hints[name], value[name], f"{prefix}{name}") for name in present})


@cache
def _type_hints(cls: type[Any]) -> dict[str, Any]:
    """The hints of a dataclass, which are evaluated from texts: half of the time that a file takes."""
    return typing.get_type_hints(cls)


def _convert(hint: Any, value: Any, where: str) -> Any:
    if hint is Any or (type(value) is hint and _fits(hint, value)):  # most values
        return value
    if is_dataclass(hint):
        return build(typing.cast("type[Any]", hint), value, where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {key: _convert(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    choices = arguments if origin in (types.UnionType, typing.Union) else (hint,)
    records = [choice for choice in choices if is_dataclass(choice)]
    if records and isinstance(value, dict):
        return build(typing.cast("type[Any]", records[0]), value, where)
    if not any(_fits(choice, value) for choice in choices):
        wanted = " or ".join(
            _NAMES.get(choice, "a list" if origin is tuple else "an object") for choice in choices
        )
        raise DecodeError(f"{where} is {_describe(value)}; expected {wanted}")
    return float(value) if float in choices and value is not None else value


def _fits(hint: Any, value: object) -> bool:
    if hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return hint in (bool, str) and isinstance(value, hint)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the range of float
        return False


def _describe(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "a text",
    type(None): "null",
}
