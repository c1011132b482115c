"""The table at the head of README.md, from the results of the transfer study.

    python -m benchmarks.transfer.readme_table          # prints it
    python -m benchmarks.transfer.readme_table --write  # puts it between the marks in README.md

A cell is a loss's accuracy less cross-entropy's, with half its 95 % interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import command
from benchmarks.harness.markdown import difference_text, numbers_table
from benchmarks.harness.page import replace_between
from benchmarks.transfer.conditions import CONDITIONS
from benchmarks.transfer.page import ByCondition, load
from evoloss.atomic_files import write_text
from evoloss.compare.statistics import PairedDifference
from evoloss.report.tables import marked
from evoloss.zoo import SHIPPED

README = Path(__file__).parents[2] / "README.md"
BEGIN = "<!-- results: python -m benchmarks.transfer.readme_table --write -->"
END = "<!-- results end -->"
LOSSES = (
    *SHIPPED,
    "label_smoothing",
    "gce",
    "sce",
    "smoothed_log",
    "nce_rce",
    "anl_ce",
    "jal_ce",
    "paper-concat",
    "paper-classwise",
)
BASELINE = "cross_entropy"
EDGES = (
    "",
    "↓ ↑ The learning rate was chosen at the lower or upper end of its grid; a rate beyond it may be better. "
    "Each interval is its own; bold is p below 0.05 after Holm's correction.",
)


@dataclass(frozen=True, kw_only=True)
class ReadmeTable:
    """Print the table, or write it into the README."""

    write: bool = False
    """Replace what stands between the marks in README.md."""


def table(results: ByCondition) -> list[str]:
    """For each condition cross-entropy's accuracy, and the losses' differences with half their intervals."""
    rows = {name: {row.loss: row for row in result.summary} for name, result in results.items()}
    losses = [loss for loss in LOSSES if any(loss in by_loss for by_loss in rows.values())]
    titles = {condition.name: condition.title for condition in CONDITIONS}
    body = []
    for name, result in results.items():
        mean = next(row.mean_test_accuracy for row in result.losses if row.loss == BASELINE)
        marks = {loss: marked(edge) for loss, edge in result.edges.items()}
        cells = (_cell(rows[name].get(loss), marks.get(loss, "")) for loss in losses)
        body.append((titles[name], f"{mean:.1f}{marks.get(BASELINE, '')}", *cells))
    return [*numbers_table(("test accuracy, %", "cross-entropy", *losses), body), *EDGES]


def _cell(row: PairedDifference | None, mark: str) -> str:
    return "" if row is None else difference_text(row, mark=mark)


def filled(readme: str, lines: list[str]) -> str:
    """The README with the table between its marks."""
    return replace_between(readme, BEGIN, END, lines)


def main(options: ReadmeTable) -> None:
    """Print or write."""
    lines = table(load())
    if options.write:
        write_text(README, filled(README.read_text(encoding="utf-8"), lines))
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    command.run(ReadmeTable, main)
