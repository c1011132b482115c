"""Figures of an ablation: convergence curves with bands, and paired differences as a forest plot."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evoloss.ablate.results import Ablation
from evoloss.ablate.statistics import CHANCE, AblationRun, Effect, by_variant, quantile
from evoloss.errors import ConfigError, MissingExtraError, UnknownNameError
from evoloss.report.figures import COLOURS, FORMATS, LINES
from evoloss.safe_text import figure_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEMS = ("convergence", "differences")
PANEL = 5  # variants in one panel of curves, the baseline among them; more cannot be told apart
_FLOOR = 1e-4  # share of couples in the wrong order; a perfect score is drawn here
_UNCLEAR = "0.55"  # what is not distinguishable from 0 has no colour
_LONGEST = 70  # letters of a name
Name = Callable[[str, str | None], str]
"""The name of a variant, or where a second one is given, of the difference to it."""
_UNDATED: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None}}


def write_ablation_figures(
    ablation: Ablation, directory: Path, formats: Sequence[str] = ("png",)
) -> list[Path]:
    """Draw ``convergence`` and, if anything is compared, ``differences`` into a directory.

    Args:
        ablation: at least one run.
        directory: where the files go; made if it is missing.
        formats: of each figure; ``png`` or ``svg``.

    Returns:
        The files written.

    Raises:
        ConfigError: if a format is unknown or there is no run.
        MissingExtraError: if matplotlib is not installed.
    """
    for name in formats:
        if name not in FORMATS:
            raise ConfigError(f"no figure format {name!r}; known: {', '.join(FORMATS)}")
    figures = {"convergence": draw_convergence(ablation)}
    if ablation.comparisons:
        figures["differences"] = draw_differences(ablation)
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for stem, figure in figures.items():
        for name in formats:
            path = directory / f"{stem}.{name}"
            figure.savefig(path, dpi=140, bbox_inches="tight", metadata=_UNDATED[name])
            written.append(path)
    return written


def draw_convergence(
    ablation: Ablation, panels: Sequence[Sequence[str]] | None = None, title: str = ""
) -> Figure:
    """Held-out couples in the wrong order over generations: median of the seeds and quartile band.

    Args:
        ablation: at least one run.
        panels: names of the variants in each panel; by default the baseline with a few others in each.
        title: above the figure.
    """
    groups = by_variant(ablation.runs)
    if not groups:
        raise ConfigError("the ablation has no run; there is nothing to draw")
    chosen = _panels(list(groups), ablation.baseline) if panels is None else [list(panel) for panel in panels]
    for name in (name for names in chosen for name in names):
        if name not in groups:
            raise UnknownNameError.among("variant", name, groups)
    columns = min(len(chosen), 3)
    rows = math.ceil(len(chosen) / columns)
    figure = _figure(4.6 * columns + 0.6, 3.5 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, names in zip(grid.flat, chosen, strict=False):
        for index, name in enumerate(names):
            draw_band(axes, groups[name], name, index)
        axes.axhline(max(1 - ablation.target, _FLOOR), color="0.6", linewidth=0.8, linestyle="--")
        axes.set(yscale="log")
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid.flat[len(chosen) :]:
        axes.set_visible(False)
    figure.supxlabel("generation", fontsize=10)
    figure.supylabel("held-out couples in the wrong order", fontsize=10)
    seeds = len({run.seed for run in ablation.runs})
    said = f"median and quartiles of {seeds} seeds; dashed: the target, consistency {ablation.target:g}"
    figure.suptitle(f"{title}; {said}" if title else said, fontsize=10)
    return figure


def draw_differences(ablation: Ablation, title: str = "", name: Name | None = None) -> Figure:
    """Paired differences of both endpoints with 95 % intervals, corrected as p is.

    What is distinguishable from 0 has a colour and a full mark.

    Args:
        ablation: with comparisons.
        title: above the figure.
        name: of a variant, or of its difference to another, for people.
    """
    name = name or _as_written
    rows = ablation.comparisons
    figure = _figure(10.5, 1.4 + 0.27 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    for row, entry in enumerate(rows):
        _draw_effect(left, row, entry.generations, 1.0)
        _draw_effect(right, row, entry.final, 100.0)
    labels = [
        figure_text(
            name(entry.variant, None if entry.reference == ablation.baseline else entry.reference), _LONGEST
        )
        for entry in rows
    ]
    left.set_yticks(range(len(rows)), labels, fontsize=9)
    left.set_ylim(len(rows) - 0.5, -0.5)
    for axes in (left, right):
        axes.axvline(0, color="0.4", linewidth=1)
        axes.grid(axis="x", alpha=0.25)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    left.set_xlabel(f"generations to {ablation.target:g}\nbelow 0 is faster", fontsize=10)
    right.set_xlabel("final consistency, percentage points\nabove 0 is better", fontsize=10)
    said = (
        f"difference to {figure_text(name(ablation.baseline, None))} unless said otherwise; 95 % interval, "
        "coloured: p < 0.05, both after Holm"
    )
    figure.suptitle(f"{title}; {said}" if title else said, fontsize=10)
    return figure


def draw_band(axes: Axes, runs: Sequence[AblationRun], label: str, index: int) -> None:
    """Add the median and the quartile band of one variant to logarithmic axes.

    Args:
        axes: where to draw.
        runs: of one variant, measured at the same generations.
        label: in the legend.
        index: which colour and line.
    """
    at = runs[0].measured_at
    columns = [
        [1 - (CHANCE if run.consistency[i] is None else run.consistency[i] or 0.0) for run in runs]
        for i in range(len(at))
        if all(len(run.consistency) > i for run in runs)
    ]
    low, middle, high = (
        [max(quantile(values, share), _FLOOR) for values in columns] for share in (0.25, 0.5, 0.75)
    )
    colour, line = COLOURS[index % len(COLOURS)], LINES[index // len(COLOURS) % len(LINES)]
    axes.fill_between(at[: len(columns)], low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(
        at[: len(columns)],
        middle,
        color=colour,
        linestyle=line,
        linewidth=1.6,
        label=figure_text(label, _LONGEST),
    )


def _as_written(variant: str, less: str | None) -> str:
    return variant if less is None else f"{variant} − {less}"


def _draw_effect(axes: Axes, row: int, effect: Effect, scale: float) -> None:
    clear = effect.p_holm is not None and effect.p_holm < 0.05
    low, high = effect.ci_low_holm, effect.ci_high_holm
    colour = COLOURS[0] if clear else _UNCLEAR
    if low is not None and high is not None:
        axes.hlines(row, scale * low, scale * high, color=colour, linewidth=1.6)
    face = colour if clear else "white"
    axes.plot(scale * effect.mean_difference, row, "o", color=colour, markerfacecolor=face, markersize=5)


def _panels(names: list[str], baseline: str) -> list[list[str]]:
    others = [name for name in names if name != baseline]
    first = [baseline] if baseline in names else []
    size = PANEL - len(first)
    return [first + others[start : start + size] for start in range(0, max(len(others), 1), size)]


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("matplotlib", "report", "drawing figures") from error
    # No pyplot: it keeps figures in a global list and may open windows.
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
