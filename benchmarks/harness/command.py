"""Command lines of the studies: options from a dataclass, mistakes in a line, the command for the record."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import tyro

from evoloss.errors import EvolossError

Options = TypeVar("Options")


def run(options: type[Options], main: Callable[[Options], int | None]) -> None:
    """Parse the command line into a dataclass, do the work, and end the process with its status.

    The help text is the docstring of the module that defines the dataclass. A mistake of the user is one line
    and status 2.
    """
    module = sys.modules[options.__module__]
    try:
        sys.exit(main(tyro.cli(options, description=module.__doc__)) or 0)
    except EvolossError as error:
        print(f"{module_name(options)}: {error}", file=sys.stderr)
        sys.exit(2)


def module_name(options: type) -> str:
    """The module of a dataclass as ``python -m`` takes it, also while it runs."""
    spec = sys.modules[options.__module__].__spec__
    name = options.__module__ if spec is None else spec.name
    return name.removesuffix(".__main__")


def command_line(options: Any) -> str:
    """The command that does the same again: the module, and every option that is not at its default.

    Args:
        options: an instance of the module's dataclass.
    """
    words = ["python", "-m", module_name(type(options))]
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if value == field.default:
            continue
        flag = field.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            values = value if isinstance(value, tuple) else (value,)
            words += [f"--{flag}", *(shlex.quote(_shown(part, field.name)) for part in values)]
    return " ".join(words)


def _shown(value: object, option: str) -> str:
    """A value as text; a path outside of the current folder, which is one of a machine, as the option."""
    if not isinstance(value, Path) or not value.is_absolute():
        return str(value)
    if value.is_relative_to(Path.cwd()):
        return str(value.relative_to(Path.cwd()))
    return option.upper()
