"""The page of results in words: prose in a template, every number from the committed results.

    python -m website.in_words

In ``in-words.md.in``, ``{gain LOSS CONDITION}`` is the points of a loss over cross-entropy in a
condition of ``benchmarks.transfer``, ``{mean LOSS}`` their mean over the conditions that most losses share,
``{shared}`` the number of these, ``{above LOSS}`` in how many of its conditions a loss is above, and
``{best CONDITION}`` or ``{best mean}`` the loss that is best.
"""

from __future__ import annotations

import re
import statistics
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.harness.page import DOCS
from benchmarks.transfer.page import load
from evoloss.atomic_files import write_text
from evoloss.compare.statistics import PairedDifference
from evoloss.errors import UnknownNameError
from website.tables import points

Rows = Mapping[str, Mapping[str, PairedDifference]]
"""Differences to cross-entropy by condition and loss."""

TEMPLATE = Path(__file__).parent / "in-words.md.in"
PAGE = DOCS / "results/in-words.md"
WIDTH = 118
"""Characters of a line."""
_MOST_LOSSES = 20  # that a condition has which most losses share
_PLACE = re.compile(r"\{([a-z]+)((?:\s[^{}]+)?)\}")


def rows_of_study() -> Rows:
    """The differences of the committed conditions."""
    return {name: {row.loss: row for row in found.summary} for name, found in load().items()}


def shared(results: Rows) -> list[str]:
    """The conditions that most losses have been run in."""
    return [name for name, rows in results.items() if len(rows) >= _MOST_LOSSES]


def gain(results: Rows, loss: str, condition: str) -> str:
    """The points of a loss over cross-entropy, with half their 95 % interval.

    Raises:
        UnknownNameError: if there is no such condition, or the loss has not been run there.
    """
    row = _row(results, loss, condition)
    if row.ci_low is None or row.ci_high is None:
        return points(row.mean_difference)
    return f"{points(row.mean_difference)} ± {(row.ci_high - row.ci_low) / 2:.1f}"


def mean(results: Rows, loss: str) -> float:
    """The mean of a loss over the shared conditions, points over cross-entropy."""
    return statistics.fmean(_row(results, loss, name).mean_difference for name in shared(results))


def above(results: Rows, loss: str) -> str:
    """In how many of its conditions the mean of a loss is above cross-entropy's, and how many these are."""
    own = [rows[loss].mean_difference for rows in results.values() if loss in rows]
    return f"{sum(value > 0 for value in own)} of {len(own)}"


def best(results: Rows, condition: str) -> str:
    """The best loss in a condition, or in the mean over the shared ones, of those that were run in all."""
    if condition != "mean":
        return max(_condition(results, condition).values(), key=lambda row: row.mean_difference).loss
    common = set.intersection(*(set(results[name]) for name in shared(results)))
    return max(sorted(common), key=lambda loss: mean(results, loss))


def render(template: str, results: Rows) -> str:
    """The page, with its numbers, in lines of :data:`WIDTH`.

    Raises:
        UnknownNameError: if a place of the template asks for something else, or for what was not run.
    """

    def number(found: re.Match[str]) -> str:
        kind, words = found[1], found[2].split()
        if kind == "gain":
            return gain(results, *words)
        if kind == "mean":
            return points(mean(results, *words))
        if kind == "above":
            return above(results, *words)
        if kind == "best":
            return best(results, *words)
        if kind == "shared":
            return str(len(shared(results)))
        raise UnknownNameError.among("place", kind, ["gain", "mean", "above", "best", "shared"])

    return "\n".join(_wrapped(_PLACE.sub(number, template))) + "\n"


def _wrapped(text: str) -> Iterator[str]:
    """Lines of a page whose paragraphs and items of lists are filled anew."""
    for block in re.split(r"\n(?=\n|- )", text.strip("\n")):
        lines = block.strip("\n").splitlines()
        if block.startswith("\n"):
            yield ""
        yield from textwrap.wrap(
            " ".join(line.strip() for line in lines),
            WIDTH,
            subsequent_indent="  " if lines and lines[0].startswith("- ") else "",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _condition(results: Rows, name: str) -> Mapping[str, PairedDifference]:
    if name not in results:
        raise UnknownNameError.among("condition", name, results)
    return results[name]


def _row(results: Rows, loss: str, condition: str) -> PairedDifference:
    rows = _condition(results, condition)
    if loss not in rows:
        raise UnknownNameError.among(f"loss in {condition}", loss, rows)
    return rows[loss]


def page(results: Rows) -> str:
    """The page of these results."""
    return render(TEMPLATE.read_text(encoding="utf-8"), results)


if __name__ == "__main__":
    write_text(PAGE, page(rows_of_study()))
