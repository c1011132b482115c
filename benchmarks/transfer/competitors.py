"""The shipped losses against the losses that each was made to beat, paired by seed.

``benchmarks.transfer.page`` puts these tables into ``docs/transfer.md``. Everywhere else cross-entropy is
what losses are compared with; two intervals against it say little about two losses against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.harness.comparison import ROBUST
from benchmarks.harness.markdown import difference_text, numbers_table
from evoloss.compare.results import Results
from evoloss.compare.statistics import PairedDifference, paired_differences
from evoloss.report.tables import NOTHING, marked


@dataclass(frozen=True, kw_only=True)
class Contest:
    """A loss and its competitors.

    Attributes:
        loss: a shipped one.
        competitors: names of the losses that it was to beat.
        words: a condition counts if its name has one of these; empty for all.
    """

    loss: str
    competitors: tuple[str, ...]
    words: tuple[str, ...] = ()

    def counts(self, condition: str) -> bool:
        """Test whether a condition counts."""
        return not self.words or any(word in condition for word in self.words)


EDGES = (
    "↓ ↑ behind a difference: the learning rate of the loss in this row was chosen at the lower or upper end "
    "of its grid, so that a rate beyond it may be better; behind a condition: that of the shipped loss."
)
"""Below tables with marks."""
NOISY = ("sym",)  # asymmetric too
FEW = ("-50",)
CONTESTS = (
    Contest(loss="evolved-base", competitors=("cross_entropy", "label_smoothing")),
    Contest(loss="evolved-noise", competitors=ROBUST, words=NOISY),
    Contest(loss="evolved-noise-strong", competitors=ROBUST, words=NOISY),
    Contest(loss="evolved-noise-long", competitors=ROBUST, words=NOISY),
    Contest(loss="evolved-small", competitors=("label_smoothing",), words=FEW),
)


def competitors(conditions: Mapping[str, Results]) -> list[str]:
    """One table for each of :data:`CONTESTS`: points of last-epoch accuracy, with half the 95 % interval.

    P-values are corrected (Holm) over the competitors of a condition; bold is below 0.05.
    """
    lines: list[str] = []
    for contest in CONTESTS:
        rows = {
            name: _differences(results, contest)
            for name, results in conditions.items()
            if contest.counts(name)
        }
        shown = [name for name, differences in rows.items() if differences]
        if not shown:
            continue
        edges = {name: conditions[name].edges for name in shown}
        body = [
            (loss, *(_cell(rows[name].get(loss), marked(edges[name].get(loss))) for name in shown))
            for loss in contest.competitors
        ]
        heads = [name + marked(edges[name].get(contest.loss)) for name in shown]
        lines += [f"`{contest.loss}` less", "", *numbers_table(("loss", *heads), body), ""]
    return [*lines, EDGES] if lines else ["Nothing to compare yet."]


def _differences(results: Results, contest: Contest) -> dict[str, PairedDifference]:
    """The differences of the competitors to the loss."""
    losses = (contest.loss, *contest.competitors)
    runs = [run for run in results.runs if run.loss in losses]
    return {row.loss: row for row in paired_differences(runs, contest.loss)}


def _cell(row: PairedDifference | None, mark: str) -> str:
    return NOTHING if row is None else difference_text(row, -1, mark)
