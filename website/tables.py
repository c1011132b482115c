"""Tables in Markdown, and numbers in them."""

from __future__ import annotations

from collections.abc import Sequence


def points(value: float | None) -> str:
    """A difference in points of accuracy, with its sign.

    Example:
        >>> points(1.25), points(-0.04), points(None)
        ('+1.2', '0.0', '-')
    """
    if value is None:
        return "-"
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def table(head: Sequence[str], rows: Sequence[Sequence[str]], alignment: str) -> list[str]:
    """The lines of a table; ``alignment`` has an ``l`` or ``r`` for each column."""
    marks = ["---:" if letter == "r" else "---" for letter in alignment]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in ([*head], marks, *cells)]
