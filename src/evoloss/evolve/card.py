"""Notes for the card of an evolved loss: regime, verdict, calibration."""

from __future__ import annotations

from evoloss.evolve.regime import Regime
from evoloss.evolve.shape import DataShape
from evoloss.evolve.verdict import Difference, EvolveVerdict, rates_text
from evoloss.safe_text import one_line, table_cell


def title_of(regime: Regime) -> str:
    """The title of a card."""
    return f"A loss evolved for {regime.text}"


def notes_of(regime: Regime, shape: DataShape | None, verdict: EvolveVerdict, budget: str) -> str:
    """The notes of a card, in Markdown."""
    lines = [f"Evolved for {regime.text}, within a budget of {budget}."]
    if shape is not None:
        lines += ["", f"Of the data set {one_line(shape.name)} its shape was read: {shape.text}."]
    lines += [
        "",
        "## Verdict",
        "",
        verdict.text,
        "",
        f"On {verdict.tasks} fresh synthetic tasks in {verdict.groups} groups, {rates_text(verdict.rates)}; "
        "points of test accuracy with 95 % intervals, groups being what is independent. GCE is scaled as in "
        "its paper.",
        "",
        "| loss | accuracy, % | over cross-entropy | this loss less it | temperature |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {table_cell(row.loss)} | {row.accuracy:.1f} | {_cell(row.over_cross_entropy)} | "
        f"{_cell(row.evolved_less_it)} | {row.temperature:.2g} |"
        for row in verdict.rows
    ]
    return "\n".join([*lines, "", "## Calibration", "", verdict.calibration])


def _cell(difference: Difference | None) -> str:
    if difference is None:
        return "-"
    return f"{difference.mean:+.1f} ({difference.low:+.1f} to {difference.high:+.1f})"
