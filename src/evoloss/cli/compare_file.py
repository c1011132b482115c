"""Settings of ``evoloss compare`` from a TOML file."""

from __future__ import annotations

import argparse
import typing
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from evoloss.compare.config import ComparisonSettings
from evoloss.errors import ConfigError, UnknownNameError
from evoloss.pretraining.field_types import fits, type_name
from evoloss.pretraining.toml_files import read_toml
from evoloss.safe_text import quoted
from evoloss.user_paths import expand_user


def file_of(arguments: Sequence[str]) -> Path | None:
    """Return the file that ``--config`` names, if it is among the arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config", type=expand_user)
    try:
        known, _ = parser.parse_known_args([one for one in arguments if one not in ("-h", "--help")])
    except argparse.ArgumentError:  # an option without its value, which the real parser reports better
        return None
    found: Path | None = known.config
    return found


def read_settings(path: Path) -> dict[str, Any]:
    """Read settings of a comparison, as the command takes them: ``dataset`` is one text or a list of them.

    Args:
        path: the file; paths in it are those of the current folder.

    Raises:
        ConfigError: if the file cannot be read, or a value is of the wrong type or out of range.
        UnknownNameError: for an unknown key.
    """
    hints = typing.get_type_hints(ComparisonSettings)
    known = {entry.name: hints[entry.name] for entry in fields(ComparisonSettings)}
    known["dataset"] = tuple[str, ...]
    values: dict[str, Any] = {}
    for name, value in read_toml(path).items():
        if name not in known:
            raise UnknownNameError.among(f"setting in {path},", name, known)
        made = (value,) if name == "dataset" and isinstance(value, str) else value
        if Path in typing.get_args(known[name]):
            if not isinstance(value, str):
                raise ConfigError(f"{path}: {name} must be a path, got {quoted(value)}")
            made = expand_user(value)
        elif not fits(made, known[name]):
            expected = "a text or a list of texts" if name == "dataset" else type_name(known[name])
            raise ConfigError(f"{path}: {name} must be {expected}, got {quoted(value)}")
        values[name] = _as_read(made, known[name])
    try:
        ComparisonSettings(**{name: value for name, value in values.items() if name != "dataset"})
    except (ConfigError, UnknownNameError) as error:
        raise type(error)(f"{path}: {error}") from error
    return values


def _as_read(value: Any, hint: Any) -> Any:
    """A value as the command line reads it: lists as tuples, and 1 as 1.0 where numbers are not whole."""
    if isinstance(value, list | tuple):
        return tuple(_as_read(item, typing.get_args(hint)[0]) for item in value)
    is_number = float in (hint, *typing.get_args(hint))
    return float(value) if is_number and type(value) is int else value
