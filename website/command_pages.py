"""The reference of the command line, from the help of the commands themselves."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stdout
from unittest.mock import patch

from evoloss.cli import COMMANDS, main

_COLUMNS = 110


def page() -> str:
    """All commands with their help, as it is printed."""
    parts = [
        "# Command line",
        "",
        "What `evoloss COMMAND --help` prints in this version.",
        "",
        "```text",
        _help(["--help"]),
        "```",
        "",
    ]
    for name in COMMANDS:
        parts += [f"## evoloss {name}", "", "```text", _help([name, "--help"]), "```", ""]
    return "\n".join(parts)


def _help(arguments: list[str]) -> str:
    printed = io.StringIO()
    plain = {"COLUMNS": str(_COLUMNS), "NO_COLOR": "1", "TERM": "dumb"}
    with patch.dict(os.environ, plain), redirect_stdout(printed):
        try:
            main(arguments)
        except SystemExit as ending:
            if ending.code:
                raise RuntimeError(f"evoloss {' '.join(arguments)} ended with {ending.code}") from ending
    return "\n".join(line.rstrip() for line in printed.getvalue().strip("\n").splitlines())
