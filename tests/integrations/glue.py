"""Lines of glue: what the code of a section has more than the same use of a tool without evoloss."""

from __future__ import annotations

import ast
import difflib
import re
from pathlib import Path

from tests.documentation.pages import ROOT

PAGE = ROOT / "docs/how-to/frameworks.md"
PLAIN = Path(__file__).parent / "plain_uses"


def sections() -> dict[str, list[str]]:
    """The blocks of Python of each section of the page."""
    found = {}
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        found[part.partition("\n")[0]] = re.findall(r"^```python\n(.*?)^```$", part, re.M | re.S)
    return found


def plain_use(section: str) -> str:
    """The same use of a tool without evoloss, which runs."""
    name = re.sub(r"\W", "_", section.lower())
    return (PLAIN / f"{name}.py").read_text(encoding="utf-8")


def lines_of_glue(section: str) -> int:
    """Count the lines that a use with evoloss has more, or otherwise, than a plain one.

    A line is a statement, or the head of one that has others; imports and what is printed do not count.
    """
    return count("\n".join(sections()[section]), plain_use(section))


def count(code: str, plain: str) -> int:
    """See :func:`lines_of_glue`."""
    diff = difflib.ndiff(_statements(plain), _statements(code))
    return sum(line.startswith("+ ") for line in diff)


def _statements(code: str) -> list[str]:
    """A line for each statement, without imports, comments, what is printed and the format of a person."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(node, name, None)
            if isinstance(inner, list):
                kept = [one for one in inner if not isinstance(one, ast.Import | ast.ImportFrom)]
                setattr(node, name, kept)
    lines = [line.strip() for line in ast.unparse(tree).splitlines()]
    return [line for line in lines if line and not line.startswith(("print(", "assert "))]
