"""Checks of a command line before any work: that it is text, its meaning, and its paths."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from evoloss.errors import ConfigError, EvolossError
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


def parse(kind: type[Config], arguments: Sequence[str], **options: Any) -> Config:
    """Return the configuration that the arguments describe.

    Args:
        kind: its class.
        arguments: of the command line, without the name of the command.
        options: of :func:`tyro.cli`.

    Raises:
        EvolossError: what the class raised; the parser would put it into a frame of several lines.
        SystemExit: after help, and after an explanation of what cannot be parsed.
    """
    import tyro

    said = io.StringIO()
    try:
        with redirect_stderr(said):
            config: Config = tyro.cli(kind, args=arguments, **options)
    except SystemExit as ending:
        if (error := _cause(ending)) is not None:
            raise error from None
        sys.stderr.write(said.getvalue())
        raise
    return config


def _cause(ending: SystemExit) -> EvolossError | None:
    """The error of ours that made the parser end the program, if it was one."""
    error: BaseException | None = ending
    while error is not None and not isinstance(error, EvolossError):
        error = error.__cause__ or error.__context__
    return error


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


def require_writable(directory: Path, option: str = "--out") -> None:
    """Check that files can be written to a directory that need not be there yet; nothing is left behind.

    Args:
        directory: where they go.
        option: that names the place, for the message.

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
        raise ConfigError(
            f"nothing can be written to {directory}: {reason}; choose another {option}"
        ) from error
    finally:
        for folder in reversed(made):
            with suppress(OSError):  # another process has begun to write there
                folder.rmdir()


def require_writable_file(path: Path, option: str) -> None:
    """Check that a file can be written, or replaced, in a folder that need not be there yet.

    Raises:
        ConfigError: if it cannot, with the reason.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a directory; {option} names a file, such as {path / 'report.html'}")
    require_writable(path.parent, option)


def _is_there(path: Path) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
