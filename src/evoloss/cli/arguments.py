"""Checks of a command line before any work: that it is text, and that its paths can be used."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from evoloss.errors import ConfigError
from evoloss.user_paths import expand_user

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


def require_text(arguments: Sequence[str]) -> None:
    """Check that every argument is text, and not empty.

    Names and paths go into files of JSON and TOML, which hold text alone.

    Raises:
        ConfigError: if one is not.
    """
    for position, argument in enumerate(arguments, start=1):
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise ConfigError(
                f"argument {position}, {os.fsencode(argument)!r}, is not UTF-8; names and paths are written "
                "into files of text: rename it"
            ) from error
        if not argument.strip() or (argument.startswith("--") and argument.endswith("=")):
            raise ConfigError(
                f"argument {position}, {argument!r}, is empty; is a variable of the shell not set?"
            )


def expand_paths(config: Config) -> Config:
    """Return a configuration whose paths have ``~`` replaced; see :func:`~evoloss.user_paths.expand_user`."""
    changes: dict[str, Any] = {}
    for entry in fields(config):
        value = getattr(config, entry.name)
        if isinstance(value, Path):
            changes[entry.name] = expand_user(value)
        elif isinstance(value, tuple) and any(isinstance(item, Path) for item in value):
            changes[entry.name] = tuple(map(expand_user, value))
    changed = {name: value for name, value in changes.items() if value != getattr(config, name)}
    return replace(config, **changed) if changed else config


def require_writable(directory: Path) -> None:
    """Check that files can be written to a directory that need not be there yet; nothing is left behind.

    Raises:
        ConfigError: if they cannot, with the reason.
    """
    missing = []
    place = directory
    made: list[Path] = []
    try:
        while not _is_there(place):
            missing.append(place)
            place = place.parent
        if not place.is_dir():
            raise ConfigError(f"{place} is not a directory; nothing can be written to {directory}")
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            made.append(folder)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"nothing can be written to {directory}: {reason}; choose another --out") from error
    finally:
        for folder in reversed(made):
            with suppress(OSError):  # another process has begun to write there
                folder.rmdir()


def _is_there(path: Path) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
