"""The tables of the benchmark pages: a name a row, and numbers beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evoloss.compare.statistics import PairedDifference

SIGNIFICANT = 0.05
"""Corrected p-values below this are printed bold."""


def numbers_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table whose first column stands left and all others right."""
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def is_significant(p_holm: float | None) -> bool:
    """Test whether there is a corrected p-value below :data:`SIGNIFICANT`."""
    return p_holm is not None and p_holm < SIGNIFICANT


def difference_text(row: PairedDifference, sign: int = 1) -> str:
    """A difference of accuracies with half its 95 % interval, if it has one; bold where it is significant.

    Args:
        row: the difference.
        sign: -1 turns it round.
    """
    text = f"{sign * row.mean_difference:+.1f}"
    if row.ci_low is not None and row.ci_high is not None:
        text += f" ± {(row.ci_high - row.ci_low) / 2:.1f}"
    return f"**{text}**" if is_significant(row.p_holm) else text
