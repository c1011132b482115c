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
    text = points_text(sign * row.mean_difference, half_interval(row))
    return (f"**{text}**" if is_significant(row.p_holm) else text) + mark


def points_text(mean: float, half: float | None) -> str:
    """Points with half their 95 % interval, if there is one."""
    return f"{mean:+.1f}" + ("" if half is None else f" ± {half:.1f}")


def half_interval(row: PairedDifference) -> float | None:
    """Half the 95 % interval of a difference, which is taken for itself; None if it has none."""
    return None if row.ci_low is None or row.ci_high is None else (row.ci_high - row.ci_low) / 2
