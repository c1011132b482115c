"""Printing to people: tables, and lines that are there to be copied."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from evoloss.safe_text import paragraphs


class Terminal(Console):
    """A console that leaves the end of a pipe to the program, and in which ``:x:`` is no picture."""

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, **options)

    def on_broken_pipe(self) -> None:
        """Let the error through; see :func:`evoloss.cli.process.as_program`."""
        raise

    def say(self, text: str) -> None:
        """Print text as it is: neither wrapped nor coloured, and brackets in a path are no markup."""
        self.print(paragraphs(text), highlight=False, markup=False, soft_wrap=True)
