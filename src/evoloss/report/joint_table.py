"""Tables of losses over several data sets, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from evoloss.compare.joint.results import JointResults
from evoloss.compare.joint.statistics import DatasetDifference, JointSummary
from evoloss.own_files import holds_line
from evoloss.report.joint_words import joint_cautions, joint_verdict
from evoloss.report.tables import NOTHING, markdown_lines
from evoloss.safe_text import one_line

is_joint_table = holds_line(r"\| loss \| data sets \| mean accuracy, % \||No run has finished yet\.")
"""A function that tells whether the content of a file is a table of this module."""

SUMMARY_HEADERS = (
    "loss",
    "data sets",
    "mean accuracy, %",
    "mean difference",
    "median",
    "worst",
    "worst on",
    "better on",
    "worse on",
)
_FOUND = " *"
_LONGEST_NAME = 24
_LONGEST_HEADER = 14
_NARROWEST = 9  # a cell, with the space beside it


def summary_rows(joint: JointResults) -> list[tuple[str, ...]]:
    """Return the cells below :data:`SUMMARY_HEADERS`, one row a loss."""
    return [_summary(row, joint) for row in joint.losses]


def dataset_rows(joint: JointResults, losses: Sequence[str]) -> list[tuple[str, ...]]:
    """Return a row a data set: its name, the baseline's accuracy, the difference of each loss to it.

    Args:
        joint: complete or not.
        losses: those of the columns.
    """
    found = {(row.dataset, row.loss): row for row in joint.differences}
    return [
        (
            one_line(dataset.label, 200),
            NOTHING if dataset.baseline_accuracy is None else f"{dataset.baseline_accuracy:.2f}",
            *(_difference(found.get((dataset.label, loss))) for loss in losses),
        )
        for dataset in joint.datasets
    ]


def compared(joint: JointResults) -> list[str]:
    """The losses that are compared with the baseline."""
    return [row.loss for row in joint.losses if row.loss != joint.baseline]


def joint_caption(joint: JointResults) -> str:
    """Say in a few sentences how to read the tables."""
    if not joint.losses:
        return "No run has finished yet."
    tests = sum(row.p_holm is not None for row in joint.differences)
    sentences = [
        f"Differences: points of test accuracy over {one_line(joint.baseline)}, paired by seed, "
        f"{joint.judged}; each data set counts once in means and medians."
    ]
    if tests:
        sentences.append(
            "*: distinguishable from 0 (paired t-test over seeds, p below 0.05"
            + (
                f", corrected for all {tests} tests of this table by Holm, so a table of one data set may "
                "have more)."
                if tests > 1
                else ")."
            )
        )
    elif joint.differences:
        sentences.append("No difference could be tested: see the table of each data set.")
    return " ".join([*sentences, *joint_cautions(joint)])


def rich_joint_tables(joint: JointResults, width: int = 80) -> list[Table]:
    """Return the tables for a terminal: losses over all data sets, then by data set.

    Args:
        joint: complete or not.
        width: of the terminal; losses that find no room go into a further table.
    """
    summary = _table(f"Over {len(joint.datasets)} data sets")
    for header in ("loss", "accuracy, %", "mean", "median", "worst", "worst on", "better", "worse"):
        is_word = header in ("loss", "worst on")
        summary.add_column(
            header, justify="left" if is_word else "right", overflow="fold", no_wrap=not is_word
        )
    for loss, _, accuracy, mean, median, worst, where, better, worse in summary_rows(joint):
        cells = (loss, accuracy, mean, median, worst, where, better, worse)
        summary.add_row(*map(escape, cells))
    return [summary, *(_by_dataset(joint, part) for part in _parts(compared(joint), width))]


def markdown_joint_table(joint: JointResults) -> str:
    """Return verdict, caption and both tables as GitHub Markdown."""
    verdict, losses = joint_verdict(joint), compared(joint)
    if not joint.losses:
        return joint_caption(joint) + "\n"
    heads = ("data set", f"{joint.baseline}, %", *losses)
    parts = [
        f"{verdict.text} {verdict.advice}",
        joint_caption(joint),
        "\n".join(markdown_lines(SUMMARY_HEADERS, summary_rows(joint), words=(0, 6))),
        "\n".join(markdown_lines(heads, dataset_rows(joint, losses))),
    ]
    return "\n\n".join(parts) + "\n"


def _by_dataset(joint: JointResults, losses: Sequence[str]) -> Table:
    table = _table("By data set")
    table.add_column("data set", overflow="fold")
    for header in (f"{joint.baseline}, %", *losses):
        table.add_column(escape(one_line(header)), justify="right", overflow="fold", min_width=_NARROWEST - 1)
    for row in dataset_rows(joint, losses):
        table.add_row(*map(escape, row))
    return table


def _parts(losses: Sequence[str], width: int) -> list[list[str]]:
    """Cut the losses into as many to a table as a terminal has room for; at least one."""
    room = width - _LONGEST_NAME - _LONGEST_HEADER
    parts: list[list[str]] = [[]]
    used = 0
    for loss in losses:
        need = max(_NARROWEST, min(len(loss), _LONGEST_HEADER) + 1)
        if parts[-1] and used + need > room:
            parts.append([])
            used = 0
        parts[-1].append(loss)
        used += need
    return parts


def _table(title: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.title, table.title_justify = title, "left"
    return table


def _summary(row: JointSummary, joint: JointResults) -> tuple[str, ...]:
    if row.loss == joint.baseline:
        found = ("baseline", *[NOTHING] * 5)
    else:
        found = (
            _points(row.mean_difference),
            _points(row.median_difference),
            _points(row.worst_difference),
            NOTHING if row.worst_dataset is None else one_line(row.worst_dataset),
            str(row.n_better),
            str(row.n_worse),
        )
    return (one_line(row.loss, 200), str(row.n_datasets), f"{row.mean_accuracy:.2f}", *found)


def _difference(row: DatasetDifference | None) -> str:
    if row is None:
        return NOTHING
    return _points(row.mean_difference) + (_FOUND if row.finding in ("better", "worse") else "")


def _points(value: float | None) -> str:
    return NOTHING if value is None else f"{value:+.2f}"
