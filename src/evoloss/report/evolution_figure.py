"""Figure of a pretraining run: fitness and ranking consistency against generations."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoloss.atomic_files import write_bytes
from evoloss.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from evoloss.pretraining import GenerationRecord

_FLOOR = 1e-6  # 1 - consistency on a logarithmic axis; a perfect score is drawn here


def evolution_figure(history: Sequence[GenerationRecord], path: Path, *, title: str = "") -> None:
    """Draw the share of couples in the wrong order, and the rejected candidates, over the generations.

    Args:
        history: at least one record.
        path: a ``.png`` or ``.svg`` file.
        title: above the figure.

    Raises:
        ConfigError: if the history is empty.
        MissingExtraError: if matplotlib is not installed.
    """
    if not history:
        raise ConfigError("the history is empty; there is nothing to draw")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("matplotlib", "report", "drawing figures") from error
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    best = [(r.generation, 1 - r.consistency_best) for r in history if r.consistency_best is not None]
    held = [(r.generation, 1 - r.held_out_consistency) for r in history if r.held_out_consistency is not None]
    curves: tuple[tuple[list[tuple[int, float]], dict[str, Any], str], ...] = (
        (best, {"color": "#56B4E9", "linewidth": 1}, "best candidate, couples of its generation"),
        (held, {"color": "#D55E00", "marker": "o", "markersize": 4}, "mean of the search, held-out pairs"),
    )
    for points, style, label in curves:
        if points:
            axes.plot([g for g, _ in points], [max(v, _FLOOR) for _, v in points], label=label, **style)
    axes.axhline(1e-3, color="0.6", linewidth=0.8, linestyle="--")
    axes.annotate("0.999", (history[-1].generation, 1e-3), ha="right", va="bottom", color="0.4", fontsize=8)
    axes.set(
        xlabel="generation",
        ylabel=f"couples in the wrong order (0 drawn at {_FLOOR:g})",
        yscale="log",
        title=title,
    )
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.lstrip("."), dpi=160)
    write_bytes(path, buffer.getvalue())
