"""The tables of an ablation, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from evoloss.ablate.results import Ablation
from evoloss.ablate.statistics import Comparison, Effect, VariantSummary
from evoloss.compare.inference import MIN_SEEDS
from evoloss.report.tables import counted
from evoloss.safe_text import one_line

NOTHING = "–"
SUMMARY_HEADERS = (
    "variant",
    "reached",
    "generations, median (quartiles)",
    "evaluations, median",
    "final consistency",
    "Kendall's tau",
    "usable",
)
COMPARISON_HEADERS = (
    "variant",
    "against",
    "generations, difference [95 %]",
    "d",
    "p (Holm)",
    "final consistency, difference [95 %]",
    "d",
    "p (Holm)",
)


def summary_rows(ablation: Ablation) -> list[tuple[str, ...]]:
    """Return the cells below :data:`SUMMARY_HEADERS`, one row a variant."""
    return [_summary_row(row) for row in ablation.summary]


def comparison_rows(ablation: Ablation) -> list[tuple[str, ...]]:
    """Return the cells below :data:`COMPARISON_HEADERS`, one row a comparison."""
    return [_comparison_row(row) for row in ablation.comparisons]


def ablation_caption(ablation: Ablation) -> str:
    """Say how to read the tables."""
    seeds = len({run.seed for run in ablation.runs})
    return (
        f"{counted(seeds, 'paired seed')}; baseline {one_line(ablation.baseline)}. "
        "Generations: until "
        f"the mean of the search has a ranking consistency of {ablation.target:g} on held-out pairs, one "
        "more than there were where it never has. Differences: variant minus reference, mean and the "
        "95 % interval of the values that the test does not reject; d: Cohen's d_z; p: Wilcoxon's signed "
        "ranks for generations, else paired t-test; p and interval Holm-corrected alike. "
        f"No test below {MIN_SEEDS} seeds, no t-test of equal differences, and no interval where so few "
        "seeds cannot reject anything."
    )


def markdown_rows(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out as lines of a GitHub Markdown table."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return [
        f"| {' | '.join(headers)} |",
        "| " + " | ".join(["---"] + ["---:"] * (len(headers) - 1)) + " |",
        *(f"| {' | '.join(row)} |" for row in cells),
    ]


def advantage_rows(ablation: Ablation) -> list[tuple[str, ...]]:
    """Cells of variant, reference, difference with interval, d and p: what students gained; may be none."""
    rows: list[tuple[str, ...]] = []
    for row in ablation.comparisons:
        if row.advantage is not None:
            rows.append((one_line(row.variant), one_line(row.reference), *_effect_cells(row.advantage, 2)))
    return rows


def rich_ablation(ablation: Ablation) -> list[Table]:
    """Return the tables for a terminal of 80 columns: the variants, then a table for each endpoint."""
    headers = ["variant", "reached", "generations", "final consistency", "usable"]
    taught = any(row.mean_advantage is not None for row in ablation.summary)
    summary = _table([*headers, "advantage"] if taught else headers)
    for (variant, reached, generations, _, final, _, usable), row in zip(
        summary_rows(ablation), ablation.summary, strict=True
    ):
        cells = [variant, reached, generations, final, usable]
        gain = NOTHING if row.mean_advantage is None else f"{row.mean_advantage:+.2f}"
        summary.add_row(*map(escape, [*cells, gain] if taught else cells))
    tables = [summary]
    compared = comparison_rows(ablation)
    endpoints = [
        ("generations [95 %]", [(*row[:2], *row[2:5]) for row in compared]),
        ("final consistency [95 %]", [(*row[:2], *row[5:8]) for row in compared]),
        ("advantage, points [95 %]", advantage_rows(ablation)),
    ]
    for header, rows in endpoints:
        if rows:
            table = _table(("variant - reference", header, "d", "p"))
            for name, reference, *effect in rows:
                label = name if reference == one_line(ablation.baseline) else f"{name} - {reference}"
                table.add_row(*map(escape, (label, *effect)))
            tables.append(table)
    tables[-1].caption, tables[-1].caption_justify = escape(ablation_caption(ablation)), "left"
    return tables


def format_p(p_value: float | None) -> str:
    """A p-value with three digits."""
    if p_value is None:
        return NOTHING
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def format_effect(effect: Effect, digits: int) -> str:
    """A mean difference with its corrected interval, which excludes 0 exactly if ``p_holm`` is below 0.05."""
    mean = f"{effect.mean_difference:+.{digits}f}"
    if effect.ci_low_holm is None or effect.ci_high_holm is None:
        return mean
    return f"{mean} [{effect.ci_low_holm:+.{digits}f}, {effect.ci_high_holm:+.{digits}f}]"


def _table(headers: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for index, header in enumerate(headers):
        first = index == 0
        table.add_column(
            escape(header), justify="left" if first else "right", overflow="fold", no_wrap=not first
        )
    return table


def _summary_row(row: VariantSummary) -> tuple[str, ...]:
    lower, median, upper = (NOTHING if value is None else f"{value:.0f}" for value in row.quartiles)
    spread = "" if row.sd_final is None else f" ± {row.sd_final:.4f}"
    return (
        one_line(row.variant),
        f"{row.n_reached}/{row.n_seeds}",
        f"{median} ({lower} to {upper})",
        NOTHING if row.median_evaluations is None else f"{row.median_evaluations:,.0f}",
        f"{row.mean_final:.4f}{spread}",
        NOTHING if row.mean_kendall_tau is None else f"{row.mean_kendall_tau:.4f}",
        f"{row.n_usable}/{row.n_seeds}",
    )


def _comparison_row(row: Comparison) -> tuple[str, ...]:
    names = one_line(row.variant), one_line(row.reference)
    return (*names, *_effect_cells(row.generations, 1), *_effect_cells(row.final, 4))


def _effect_cells(effect: Effect, digits: int) -> tuple[str, str, str]:
    size = NOTHING if effect.effect_size is None else f"{effect.effect_size:+.2f}"
    return format_effect(effect, digits), size, format_p(effect.p_holm)
