"""The figures of the chaos page."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

from benchmarks.chaos.conditions import TARGET, TUNED_SIGMAS
from benchmarks.chaos.results import SHOWN, load
from evoloss.ablate.statistics import by_variant
from evoloss.compare.inference import t_interval
from evoloss.report.ablation_figure import draw_band, draw_differences

CURVES = ("fixed-0.02", "fixed-0.1", "fixed-0.3", "fixed-1.0", "noisy-0.1", "noisy-0.3")
"""Conditions whose convergence is drawn."""


def draw(folder: Path) -> None:
    """Draw all figures of the page into a folder."""
    import matplotlib as mpl

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    _draw_convergence(folder / "chaos-convergence.png")
    _draw_step_sizes(folder / "chaos-sigma.png")
    forest = draw_differences(load("fixed-0.3"), title="sigma 0.3, fixed")
    forest.savefig(folder / "chaos-differences.png", dpi=120, bbox_inches="tight")


def _draw_convergence(path: Path) -> None:
    from matplotlib import pyplot as plt

    drawn, grid = plt.subplots(2, 3, figsize=(13, 7.2), sharex=True, sharey="row", layout="constrained")
    for axes, name in zip(grid.flat, CURVES, strict=True):
        groups = by_variant(load(name).runs)
        for index, variant in enumerate(SHOWN):
            draw_band(axes, groups[variant], variant, index)
        axes.axhline(1 - TARGET, color="0.6", linewidth=0.8, linestyle="--")
        base = load(name).base
        axes.set(yscale="log", title=f"sigma {base['sigma']:g}, {base['pairs']} pairs")
        axes.grid(alpha=0.25)
    grid[0][0].legend(frameon=False, fontsize=8)
    drawn.supxlabel("generation")
    drawn.supylabel("held-out couples in the wrong order (median and quartiles of 30 seeds)")
    drawn.savefig(path, dpi=120)
    plt.close(drawn)


def _draw_step_sizes(path: Path) -> None:
    from matplotlib import pyplot as plt

    drawn, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for index, variant in enumerate(SHOWN):
        _draw_intervals(axes, variant, index)
    axes.set(xscale="log", xlabel="step size sigma, fixed", ylabel="generations to 0.99 (never: 101)")
    axes.set_xticks(TUNED_SIGMAS, [f"{s:g}" for s in TUNED_SIGMAS])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    drawn.savefig(path, dpi=120)
    plt.close(drawn)


def _draw_intervals(axes: Any, variant: str, index: int) -> None:
    """Means and 95 % intervals of a variant, set a little apart from the others along the axis."""
    places, means, bars = [], [], []
    for sigma in TUNED_SIGMAS:
        runs = by_variant(load(f"fixed-{sigma}").runs)[variant]
        times = [float(run.counted(TARGET)) for run in runs]
        low, high = t_interval(times) or (math.nan, math.nan)
        places.append(sigma * 1.06 ** (index - 2))
        means.append(statistics.fmean(times))
        bars.append((high - low) / 2)
    axes.errorbar(places, means, bars, marker="o", markersize=4, linewidth=1.2, capsize=2, label=variant)
