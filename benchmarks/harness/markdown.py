"""The tables of the benchmark pages: a name a row, and numbers beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evoloss.compare.inference import is_significant
from evoloss.compare.statistics import PairedDifference


def numbers_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table whose first column stands left and all others right."""
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def difference_text(row: PairedDifference, sign: int = 1, mark: str = "") -> str:
    """A difference of accuracies with half its 95 % interval, if it has one; bold where it is significant.

    The interval is that of the difference alone, the p-value is corrected (Holm): an interval that excludes 0
    need not be bold.

    Args:
        row: the difference.
        sign: -1 turns it round.
        mark: stands behind it, such as that of a learning rate at an end of its grid.
    """
    text = f"{sign * row.mean_difference:+.1f}"
    if row.ci_low is not None and row.ci_high is not None:
        text += f" ± {(row.ci_high - row.ci_low) / 2:.1f}"
    return (f"**{text}**" if is_significant(row.p_holm) else text) + mark
