"""Which corner of the synthetic tasks orders losses as which real condition does?

    python -m benchmarks.synthetic.rank_correlation
    python -m benchmarks.synthetic.rank_correlation --priors benchmarks/synthetic/results/priors-patches.json

From what ``benchmarks.synthetic.priors`` and ``benchmarks.transfer.run`` have left: for each corner
(column) and condition (row) Spearman's rank correlation of the losses' differences to cross-entropy, over the
losses that both have, cross-entropy with 0 among them. Ranks, because losses that collapse would decide any
other measure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.harness.markdown import numbers_table
from benchmarks.transfer.page import load
from evoloss.compare.results import Results
from evoloss.report.tables import NOTHING

RESULTS = Path(__file__).parent / "results"
LEAST = 5
"""Losses that a correlation is worked out of, at least."""
SAME = {"log(p + 1/C)": "smoothed_log"}
"""Losses that ``benchmarks.synthetic.priors`` calls otherwise."""
Differences = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Print the table."""

    priors: tuple[Path, ...] = (RESULTS / "priors.json", RESULTS / "priors-patches.json")
    """Results of ``benchmarks.synthetic.priors``; of a corner that several have, the last counts."""


def corners(paths: tuple[Path, ...]) -> dict[str, Differences]:
    """Differences by loss on the short and on the long tasks of every prior."""
    found: dict[str, Differences] = {}
    for path in paths:
        for name, record in json.loads(path.read_text(encoding="utf-8")).items():
            for kind in ("short", "long"):
                if kind in record:
                    rows = record[kind]["difference"].items()
                    found[f"{name}, {kind}"] = {SAME.get(loss, loss): row["mean"] for loss, row in rows}
    return found


def conditions(found: Mapping[str, Results]) -> dict[str, Differences]:
    """Differences by loss in every condition that has been run."""
    return {
        name: {row.loss: row.mean_difference for row in results.summary} for name, results in found.items()
    }


def agreement(one: Differences, other: Differences) -> tuple[float, int] | None:
    """Spearman's rank correlation and the number of losses; None with fewer than :data:`LEAST`."""
    from scipy.stats import spearmanr

    both = sorted(one.keys() & other.keys() - {"cross_entropy"})
    if len(both) + 1 < LEAST:
        return None
    # Cross-entropy differs from itself by nothing.
    x, y = [0.0, *(one[loss] for loss in both)], [0.0, *(other[loss] for loss in both)]
    return float(spearmanr(x, y).statistic), len(x)


def table(synthetic: Mapping[str, Differences], real: Mapping[str, Differences]) -> list[str]:
    """The correlations as a Markdown table."""
    rows = []
    for name, row in real.items():
        found = [agreement(each, row) for each in synthetic.values()]
        cells = [NOTHING if each is None else f"{each[0]:+.2f} ({each[1]})" for each in found]
        rows.append((name, *cells))
    return numbers_table(("condition", *synthetic), rows)


def main(command: Command) -> None:
    """Print."""
    print("\n".join(table(corners(command.priors), conditions(load()))))


if __name__ == "__main__":
    main(tyro.cli(Command, description=__doc__))
