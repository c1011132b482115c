"""The figures of the chaos page."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

from benchmarks.chaos.conditions import TARGET, TUNED_SIGMAS
from benchmarks.chaos.results import SHOWN, load
from benchmarks.chaos.words import in_words
from evoloss.ablate.statistics import by_variant
from evoloss.compare.inference import t_interval
from evoloss.report.ablation_figure import draw_band, draw_differences
from evoloss.report.direct_labels import label_ends
from evoloss.report.figures import COLOURS

CURVES = ("fixed-0.02", "fixed-0.1", "fixed-0.3", "fixed-1.0", "noisy-0.1", "noisy-0.3")
"""Conditions whose convergence is drawn."""


def draw(folder: Path) -> None:
    """Draw all figures of the page into a folder."""
    import matplotlib as mpl

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    _draw_convergence(folder / "chaos-convergence.png")
    _draw_step_sizes(folder / "chaos-sigma.png")
    forest = draw_differences(load("fixed-0.3"), title="Step size 0.3, fixed", name=in_words)
    forest.savefig(folder / "chaos-differences.png", dpi=120, bbox_inches="tight")


def _draw_convergence(path: Path) -> None:
    from matplotlib import pyplot as plt
    from matplotlib.ticker import FuncFormatter

    drawn, grid = plt.subplots(2, 3, figsize=(12, 7.4), sharex=True, sharey="row", layout="constrained")
    for axes, name in zip(grid.flat, CURVES, strict=True):
        groups = by_variant(load(name).runs)
        for index, variant in enumerate(SHOWN):
            draw_band(axes, groups[variant], in_words(variant), index)
        axes.axhline(1 - TARGET, color="0.6", linewidth=0.8, linestyle="--")
        base = load(name).base
        axes.set(yscale="log")
        axes.set_title(f"step size {base['sigma']:g}, {base['pairs']} pairs", loc="left", fontsize=13)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
        axes.tick_params(labelsize=11)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    # Lines that lie on each other have no room for names at their ends.
    handles, labels = grid[0][0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=12.5)
    drawn.supxlabel("generation; median and quartiles of 30 seeds, dashed: the target", fontsize=13)
    drawn.supylabel("held-out couples in the wrong order", fontsize=13)
    drawn.savefig(path, dpi=120)
    plt.close(drawn)


def _draw_step_sizes(path: Path) -> None:
    from matplotlib import pyplot as plt

    drawn, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
    ends = []
    for index, variant in enumerate(SHOWN):
        ends.append((_draw_intervals(axes, variant, index), in_words(variant), COLOURS[index]))
    axes.set(xscale="log", ylim=(25, 104))
    axes.set_xlabel("step size, fixed", fontsize=12)
    axes.set_ylabel("generations to 99 % (never: 101)", fontsize=12)
    axes.set_xticks(TUNED_SIGMAS, [f"{s:g}" for s in TUNED_SIGMAS])
    axes.tick_params(labelsize=11)
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    label_ends(axes, ends, fontsize=12)
    drawn.savefig(path, dpi=120)
    plt.close(drawn)


def _draw_intervals(axes: Any, variant: str, index: int) -> float:
    """Means and 95 % intervals of a variant, a little apart from the others along the axis; its last mean."""
    places, means, bars = [], [], []
    for sigma in TUNED_SIGMAS:
        runs = by_variant(load(f"fixed-{sigma}").runs)[variant]
        times = [float(run.counted(TARGET)) for run in runs]
        low, high = t_interval(times) or (math.nan, math.nan)
        places.append(sigma * 1.06 ** (index - 2))
        means.append(statistics.fmean(times))
        bars.append((high - low) / 2)
    axes.errorbar(
        places, means, bars, marker="o", markersize=5, linewidth=1.6, capsize=2, color=COLOURS[index]
    )
    return means[-1]
