"""The help of commands, and mistakes in the names of options, without importing what the commands need.

``pages.json`` beside this module has what the commands' own configurations say of their options;
:mod:`evoloss.cli.help.source` writes it.
"""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from evoloss.cli.help.groups import EXAMPLES
from evoloss.errors import UnknownNameError

FILE_NAME = "pages.json"
SHELLS = {"bash": "evoloss.bash", "zsh": "_evoloss", "tcsh": "evoloss.csh"}
"""Shells for which there is a completion, and the files that have it."""
_WIDEST = 110  # characters of a line
_NARROWEST = 40
_OWN_WAY = ("--config", "--resume")  # options whose files change the defaults, which the help then shows


@cache
def pages() -> dict[str, Any]:
    """The pages of all commands by name."""
    text = resources.files("evoloss.cli.help").joinpath(FILE_NAME).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def completion(shell: str) -> str:
    """The script that lets a shell complete commands, options and their choices.

    Raises:
        UnknownNameError: if there is none for the shell.
    """
    if shell not in SHELLS:
        raise UnknownNameError.among("shell", shell, SHELLS)
    place = resources.files("evoloss.cli.help").joinpath("completion", SHELLS[shell])
    return place.read_text(encoding="utf-8")


def is_help(name: str, arguments: Sequence[str]) -> bool:
    """Test whether arguments of a command ask for a page that is the same whatever else they say."""
    asked = any(argument in ("-h", "--help") for argument in arguments)
    return asked and name in pages() and not any(_name(argument) in _OWN_WAY for argument in arguments)


def page(name: str) -> str:
    """The help of a command, as wide as the terminal allows."""
    command = pages()[name]
    width = max(_NARROWEST, min(shutil.get_terminal_size().columns, _WIDEST))
    parts = [f"usage: evoloss {name} {command['usage']}", _wrapped(command["summary"], width, "")]
    if name in EXAMPLES:
        lines = ["Examples:"]
        for line, what in EXAMPLES[name]:
            lines += [f"  {line}", _wrapped(what, width, "      ")]
        parts.append("\n".join(lines))
    for group in command["groups"]:
        parts.append("\n".join([f"{group['title']}:", *(_option(one, width) for one in group["options"])]))
    return "\n\n".join(parts)


def require_options(name: str, arguments: Sequence[str]) -> None:
    """Check that a command has the options that are named.

    Raises:
        UnknownNameError: if it has one of them not; it says which is nearest.
    """
    if name not in pages():
        return
    groups = pages()[name]["groups"]
    known = [flag for group in groups for option in group["options"] for flag in option["flags"]]
    for argument in arguments:
        if argument == "--":
            return
        # Help, options that are the parser's own, and numbers below 0 are its business.
        if not argument.startswith("--") or argument == "--help" or argument.startswith("--tyro-"):
            continue
        if _name(argument) not in known:
            raise UnknownNameError.among(f"option of evoloss {name}", _name(argument), known)


def _name(argument: str) -> str:
    """The option that an argument names; hyphens and underscores are alike."""
    return argument.split("=", 1)[0].replace("_", "-")


def _wrapped(text: str, width: int, indent: str) -> str:
    return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _option(option: dict[str, Any], width: int) -> str:
    """An option and its value on a line, and what it is on those below."""
    said = option["help"] + (" (required)" if option["required"] else "")
    if option["default"] is not None:
        said += f" (default: {option['default']})"
    head = "  " + ", ".join(option["flags"] or [option["name"]])
    return "\n".join([f"{head} {option['value']}".rstrip(), _wrapped(said, width, "      ")])
