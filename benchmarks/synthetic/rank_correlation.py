"""Rank correlations of losses between synthetic tasks and real conditions.

    python -m benchmarks.synthetic.rank_correlation
    python -m benchmarks.synthetic.rank_correlation --priors benchmarks/synthetic/results/priors-patches.json

From what ``benchmarks.synthetic.priors`` and ``benchmarks.transfer.run`` have left: for each kind of
synthetic tasks (column) and real condition (row) Spearman's rank correlation of the losses' differences to
cross-entropy, over the losses that both have, cross-entropy with 0 among them. Ranks, because losses that
collapse would decide any other measure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import command
from benchmarks.harness.markdown import numbers_table
from benchmarks.harness.results import read_record
from benchmarks.synthetic.priors import RESULTS
from benchmarks.transfer.page import ByCondition, load
from evoloss.report.tables import NOTHING

LEAST_LOSSES = 5
"""A correlation of fewer losses says nothing."""
KNOWN_AS = {"log(p + 1/C)": "smoothed_log"}
"""Losses that ``benchmarks.synthetic.priors`` calls otherwise."""
Differences = Mapping[str, float]
"""Points of accuracy over cross-entropy, by loss."""


@dataclass(frozen=True, kw_only=True)
class RankCorrelation:
    """Print the table."""

    priors: tuple[Path, ...] = (RESULTS / "priors.json", RESULTS / "priors-patches.json")
    """Results of ``benchmarks.synthetic.priors``; of tasks that several have, the last counts."""


def synthetic_differences(paths: tuple[Path, ...]) -> dict[str, Differences]:
    """Differences by loss on the short and on the long tasks of every prior and regime."""
    tables: dict[str, Differences] = {}
    for path in paths:
        for name, entry in read_record(path).items():
            for kind in ("short", "long"):
                if kind in entry:
                    rows = entry[kind]["difference"].items()
                    tables[f"{name}, {kind}"] = {KNOWN_AS.get(loss, loss): row["mean"] for loss, row in rows}
    return tables


def real_differences(conditions: ByCondition) -> dict[str, Differences]:
    """Differences by loss in every condition that has been run."""
    return {
        name: {row.loss: row.mean_difference for row in results.summary}
        for name, results in conditions.items()
    }


def rank_correlation(one: Differences, other: Differences) -> tuple[float, int] | None:
    """Spearman's rank correlation and the number of losses; None with too few (:data:`LEAST_LOSSES`)."""
    from scipy.stats import spearmanr

    both = sorted(one.keys() & other.keys() - {"cross_entropy"})
    if len(both) + 1 < LEAST_LOSSES:
        return None
    # Cross-entropy differs from itself by nothing.
    x, y = [0.0, *(one[loss] for loss in both)], [0.0, *(other[loss] for loss in both)]
    return float(spearmanr(x, y).statistic), len(x)


def table(synthetic: Mapping[str, Differences], real: Mapping[str, Differences]) -> list[str]:
    """The correlations as a Markdown table."""
    rows = []
    for name, differences in real.items():
        correlations = [rank_correlation(column, differences) for column in synthetic.values()]
        cells = [NOTHING if found is None else f"{found[0]:+.2f} ({found[1]})" for found in correlations]
        rows.append((name, *cells))
    return numbers_table(("condition", *synthetic), rows)


def main(options: RankCorrelation) -> None:
    """Print the table."""
    print("\n".join(table(synthetic_differences(options.priors), real_differences(load()))))


if __name__ == "__main__":
    command.run(RankCorrelation, main)
