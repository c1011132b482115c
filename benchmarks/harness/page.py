"""Pages made from results: prose in a template, tables from functions.

A line ``<!-- NAME WORDS -->`` of a template is replaced by the lines that the table ``NAME`` makes of its
words. Numbers in the prose are not checked; there should be few that a table has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evoloss.atomic_files import write_text
from evoloss.errors import UnknownNameError

DOCS = Path(__file__).parents[2] / "docs"
FIGURES = DOCS / "figures"

Table = Callable[..., list[str]]
"""Makes the lines of a table of the words of its mark."""

_MARK = re.compile(r"<!-- ([a-z_]+)((?: \S+)*) -->")


@dataclass(frozen=True)
class Page:
    """A page under ``docs/``.

    Attributes:
        template: the prose, Markdown with marks.
        out: where the page goes.
        tables: by the name in the mark.
    """

    template: Path
    out: Path
    tables: Mapping[str, Table]

    def render(self) -> str:
        """The page as Markdown.

        Raises:
            UnknownNameError: if a mark names no table.
        """
        lines: list[str] = []
        for line in self.template.read_text(encoding="utf-8").splitlines():
            mark = _MARK.fullmatch(line)
            if mark is None:
                lines.append(line)
            elif mark[1] in self.tables:
                lines += self.tables[mark[1]](*mark[2].split())
            else:
                raise UnknownNameError.among(f"table in {self.template}", mark[1], self.tables)
        return "\n".join(lines) + "\n"

    def write(self) -> None:
        """Write the page."""
        write_text(self.out, self.render())


def replace_between(text: str, begin: str, end: str, lines: Sequence[str]) -> str:
    """A text with other lines between two marks, each of which stands in it once.

    Raises:
        ValueError: if a mark is missing, doubled, or the end comes first.
    """
    before, *rest = text.split(begin)
    if len(rest) != 1 or text.count(end) != 1 or end not in rest[0]:
        raise ValueError(f"the text must hold {begin!r} once, and after it {end!r} once")
    after = rest[0].split(end)[1]
    return "\n\n".join((before + begin, "\n".join(lines), end + after))
