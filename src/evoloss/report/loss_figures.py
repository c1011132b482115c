"""Figures of losses: the loss against p_y, and its gradient, several losses on one pair of axes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evoloss.atomic_files import write_bytes
from evoloss.errors import ConfigError, MissingExtraError
from evoloss.report.direct_labels import label_ends
from evoloss.safe_text import figure_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from evoloss.diagnostics import Curve

BASELINE = "cross_entropy"
"""The curve of this name is drawn in black and dashed, in every figure, as cross-entropy."""

# Okabe and Ito's palette, told apart under every common colour blindness, less black (the baseline's) and
# yellow (too pale on white); line styles change where the colours start again.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_LINES = ("-", "-.", ":")
_RIVAL = ", contradicted by one class"
_MOST_DIRECT, _LONGEST_DIRECT = 6, 34  # names at the ends of their lines; more, or longer ones, in a legend
_LEGEND_WIDTH = 125  # letters in a line of the legend; a handle takes about seven
_FORMATS = (".pdf", ".png", ".svg")


def canonical_scale(curve: Curve) -> Curve:
    """Shift and scale a curve to 0 at its lowest point and cross-entropy's gradient at uniform prediction.

    Curves of losses with arbitrary offset and scale become comparable: what is left is the shape. A curve
    whose gradient at uniform is not positive is only shifted.
    """
    scale = _scale(curve)
    lowest = min(_finite(curve.loss))
    return replace(
        curve,
        loss=tuple(scale * (value - lowest) for value in curve.loss),
        gradient=tuple(scale * value for value in curve.gradient),
    )


def _scale(curve: Curve) -> float:
    """The factor of :func:`canonical_scale`, from a curve whose other classes share evenly."""
    p = np.asarray(curve.p)
    log_odds = np.log(p) - np.log1p(-p)
    at_uniform = float(np.interp(-np.log(curve.n_classes - 1), log_odds, curve.gradient))
    return (1 - 1 / curve.n_classes) / at_uniform if at_uniform > 0 else 1.0


def loss_curves_figure(
    curves: Mapping[str, Curve], path: Path, *, title: str = "", canonical: bool = False
) -> None:
    """Draw losses against the label's probability, on a linear axis and on a logarithmic one.

    Args:
        curves: name of each loss to its curve; ``cross_entropy`` is drawn as the baseline.
        path: file to write; the ending says the format (``.png``, ``.svg`` or ``.pdf``).
        title: above the figure.
        canonical: draw each curve in :func:`canonical_scale`.

    Raises:
        ConfigError: if there are no curves, or the ending is unknown.
        MissingExtraError: if matplotlib is not installed.
    """
    drawn = {name: canonical_scale(curve) if canonical else curve for name, curve in curves.items()}
    figure, (linear, logarithmic) = _two_panels(drawn, path, title)
    _draw(linear, drawn, lambda curve: curve.loss)
    _draw(logarithmic, drawn, lambda curve: curve.loss)
    # On the linear axis losses that grow without bound as p goes to 0 would flatten the others: cut there.
    inside = _finite(x for c in drawn.values() for p, x in zip(c.p, c.loss, strict=True) if p > 0.02)
    margin = 0.05 * (max(inside) - min(inside)) or 1.0
    linear.set_ylim(min(inside) - margin, max(inside) + margin)
    linear.set_ylabel("loss (canonical scale)" if canonical else "loss")
    _finish(figure, linear, logarithmic, path)


def gradient_profiles_figure(
    curves: Mapping[str, Curve],
    path: Path,
    *,
    title: str = "",
    canonical: bool = False,
    rivals: Mapping[str, Curve] | None = None,
) -> None:
    r"""Draw the pull on the label's logit, :math:`-\partial L / \partial z_y`; cross-entropy's is 1 - p_y.

    The right panel is logarithmic in both directions, so a gradient that vanishes as a power of p_y is a
    straight line downward; where it is not positive it is not drawn there. Other arguments and errors as for
    :func:`loss_curves_figure`.

    Args:
        curves: name of each loss to its curve, the rest of the mass spread evenly.
        path: file to write.
        title: above the figure.
        canonical: draw each curve in :func:`canonical_scale`.
        rivals: curves of losses of the same names with the rest of the mass on one class. Drawn, dotted,
            where they differ from the others by more than a hundredth of the largest pull.
    """
    drawn = {name: canonical_scale(curve) if canonical else curve for name, curve in curves.items()}
    for name, rival in (rivals or {}).items():
        factor = _scale(curves[name]) if canonical else 1.0
        pull = tuple(factor * value for value in rival.gradient)
        if np.abs(np.subtract(pull, drawn[name].gradient)).max() > 0.01 * max(drawn[name].gradient):
            drawn[f"{name}{_RIVAL}"] = replace(rival, gradient=pull)
    figure, (linear, logarithmic) = _two_panels(drawn, path, title)
    _draw(linear, drawn, lambda curve: curve.gradient)
    _draw(
        logarithmic,
        drawn,
        lambda curve: tuple(value if value > 0 else float("nan") for value in curve.gradient),
    )
    logarithmic.set_yscale("log")
    # Near p_y = 1 every gradient goes to 0, which the left panel shows; the right one is about p_y near 0.
    left = _finite(x for c in drawn.values() for p, x in zip(c.p, c.gradient, strict=True) if p < 0.5)
    positive = [x for x in left if x > 0] or [1.0]
    # At least a decade below the largest, so that ticks are powers of ten.
    logarithmic.set_ylim(min(max(min(positive), 1e-12), max(positive) / 10) / 3, max(positive) * 3)
    linear.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
    scale = "\n(canonical scale)" if canonical else ""
    linear.set_ylabel(rf"pull on the logit, $-\partial L/\partial z_y${scale}")
    _finish(figure, linear, logarithmic, path)


def _two_panels(curves: Mapping[str, Curve], path: Path, title: str) -> tuple[Figure, tuple[Axes, Axes]]:
    if not curves:
        raise ConfigError("there are no curves to draw; at least one is expected")
    if path.suffix.lower() not in _FORMATS:
        raise ConfigError(f"a figure is written as {', '.join(_FORMATS)}, got {path.name!r}")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("matplotlib", "report", "drawing figures") from error
    # A Figure of its own, without pyplot: no window system, no global state, nothing to close.
    figure = Figure(figsize=(9.0, 3.9), dpi=150, layout="constrained")
    if title:
        figure.suptitle(figure_text(title, 200))
    linear, logarithmic = figure.subplots(1, 2)
    linear.set_title("linear in $p_y$", fontsize="medium")
    logarithmic.set_xscale("log")
    # From right to wrong, so that lines end apart from each other, beside their names.
    logarithmic.invert_xaxis()
    logarithmic.set_title("logarithmic in $p_y$: confident mistakes", fontsize="medium")
    return figure, (linear, logarithmic)


def _draw(axes: Axes, curves: Mapping[str, Curve], values: Callable[[Curve], tuple[float, ...]]) -> None:
    position = 0
    for name, curve in curves.items():
        if name.endswith(_RIVAL):
            own = _shown(name[: -len(_RIVAL)])
            colour = next(line.get_color() for line in axes.lines if line.get_label() == own)
            axes.plot(curve.p, values(curve), label=_shown(name), color=colour, linestyle=":", linewidth=2.0)
            continue
        style = {"color": "black", "linestyle": "--", "linewidth": 1.4, "zorder": 3}
        if name != BASELINE:
            line = _LINES[position // len(_COLOURS) % len(_LINES)]
            style = {"color": _COLOURS[position % len(_COLOURS)], "linestyle": line, "linewidth": 2.0}
            position += 1
        axes.plot(curve.p, values(curve), label=_shown(name), **style)  # type: ignore[arg-type]
    axes.set_xlabel("probability of the label, $p_y$")
    axes.grid(visible=True, color="0.92")
    axes.spines[["top", "right"]].set_visible(False)


def _shown(name: str) -> str:
    return "cross-entropy" if name == BASELINE else figure_text(name)


def _name_lines(figure: Figure, linear: Axes, logarithmic: Axes) -> None:
    """Name the lines at their ends on the right, or in a legend where they are many."""
    handles, labels = linear.get_legend_handles_labels()
    named = [line for line in logarithmic.lines if line.get_label() in labels]
    # Points go from a small p to a large one, and the axis the other way.
    ends = [float(np.asarray(line.get_ydata())[0]) for line in named]
    is_short = len(labels) <= _MOST_DIRECT and max(map(len, labels)) <= _LONGEST_DIRECT
    if is_short and all(np.isfinite(ends)):
        texts = [
            (end, str(line.get_label()), line.get_color()) for end, line in zip(ends, named, strict=True)
        ]
        label_ends(logarithmic, texts, fontsize="medium", gap=0.08)
        return
    columns = max(1, min(len(labels), 6, _LEGEND_WIDTH // (max(map(len, labels)) + 7)))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)


def _finish(figure: Figure, linear: Axes, logarithmic: Axes, path: Path) -> None:
    import matplotlib

    _name_lines(figure, linear, logarithmic)
    buffer = io.BytesIO()
    # Without the date, the version of the software and random ids, equal curves make equal files.
    metadata = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    suffix = path.suffix.lower()
    with matplotlib.rc_context({"svg.hashsalt": "evoloss"}):
        figure.savefig(buffer, format=suffix[1:], metadata=metadata[suffix])
    write_bytes(path, buffer.getvalue())


def _finite(values: Iterable[float]) -> list[float]:
    return [value for value in values if np.isfinite(value)] or [0.0]
