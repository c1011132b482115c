"""Figures of an evolved loss: its search over the generations, and the verdict on fresh tasks."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoloss.atomic_files import write_bytes
from evoloss.diagnostics import Curve, loss_curve
from evoloss.errors import MissingExtraError
from evoloss.evolve import EvolveResult, LossRow
from evoloss.losses import LOSSES
from evoloss.losses.evolved import EvolvedLoss
from evoloss.pretraining import GenerationRecord
from evoloss.report.loss_figures import BASELINE, gradient_profiles_figure, loss_curves_figure
from evoloss.safe_text import figure_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SEARCH_FIGURE, VERDICT_FIGURE = "evolution.png", "verdict.png"
SHAPE_FIGURES = ("loss_curve.png", "gradient_profile.png")
FIGURES = (SEARCH_FIGURE, VERDICT_FIGURE, *SHAPE_FIGURES)
"""Names of the files."""
_OWN, _OTHER, _BEST = "#D55E00", "#666666", "#56B4E9"
_AGREEMENTS = (1.0, 0.5, 0.0)  # at which a paced loss is drawn


def write_evolve_figures(result: EvolveResult, folder: Path, recommended: str) -> list[Path]:
    """Write the figures of a search; return their paths.

    Args:
        result: of the search.
        folder: where they go.
        recommended: the shipped loss that is drawn beside the evolved one.

    Raises:
        MissingExtraError: if matplotlib is not installed; nothing is written then.
    """
    paths = [folder / name for name in FIGURES]
    search_figure(result.pretrained.history, paths[0], title=result.regime.text)
    verdict_figure(result.verdict.rows, paths[1], title=result.regime.text)
    classes = result.pretrained.config.classes[-1]
    curves = _curves(result.pretrained.loss, recommended, classes)
    title = f"evolved for {result.regime.purpose}, {classes} classes"
    # A paced loss has its canonical scale at agreement 0 alone.
    canonical = not result.pretrained.loss.is_paced
    loss_curves_figure(curves, paths[2], title=title, canonical=canonical)
    gradient_profiles_figure(curves, paths[3], title=title, canonical=canonical)
    return paths


def search_figure(history: Sequence[GenerationRecord], path: Path, *, title: str = "") -> None:
    """Draw the points over cross-entropy over the generations.

    Args:
        history: of the search.
        path: file to write.
        title: above the figure.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    figure, axes = _figure(6.4, 3.6, title)
    best = [(r.generation, r.advantage_best) for r in history if r.advantage_best is not None]
    held = [
        (r.generation, r.held_out_advantage, r.held_out_error or 0.0)
        for r in history
        if r.held_out_advantage is not None
    ]
    axes.axhline(0.0, color="0.5", linewidth=0.8)
    if best:
        axes.plot(*zip(*best, strict=True), ".", color=_BEST, label="best candidate, its generation's tasks")
    if held:
        generations, points, errors = zip(*held, strict=True)
        style: dict[str, Any] = {"color": _OWN, "marker": "o", "markersize": 4, "capsize": 2}
        axes.errorbar(generations, points, errors, label="mean of the search, held-out tasks", **style)
    axes.set(xlabel="generation", ylabel="points over cross-entropy")
    axes.locator_params(axis="x", integer=True)
    if best or held:
        axes.legend(frameon=False, fontsize=8)
    _save(figure, path)


def verdict_figure(rows: Sequence[LossRow], path: Path, *, title: str = "") -> None:
    """Draw each loss's points over cross-entropy on fresh tasks, with intervals; the evolved one on top.

    Args:
        rows: of the verdict, the evolved loss last.
        path: file to write.
        title: above the figure.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    figure, axes = _figure(6.4, 1.2 + 0.32 * len(rows), title)
    drawn = [row for row in rows if row.over_cross_entropy is not None]
    for place, row in enumerate(drawn):
        gain = row.over_cross_entropy
        assert gain is not None
        colour = _OWN if row is drawn[-1] else _OTHER
        axes.plot([gain.low, gain.high], [place, place], color=colour, linewidth=2)
        axes.plot(gain.mean, place, "o", color=colour)
        axes.annotate(
            f"{gain.mean:+.1f}",
            (gain.mean, place),
            (0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.axvline(0.0, color="0.5", linewidth=0.8)
    axes.set_yticks(range(len(drawn)), [figure_text(row.loss) for row in drawn])
    axes.set_ylim(-0.6, len(drawn) - 0.2)
    axes.set_xlabel("points over cross-entropy on fresh tasks, 95 % interval")
    _save(figure, path)


def _curves(loss: EvolvedLoss, recommended: str, n_classes: int) -> dict[str, Curve]:
    """The evolved loss, at several agreements if it is paced, and known ones beside it."""
    curves = {}
    for name, one in (("this loss", loss), (recommended, EvolvedLoss.from_pretrained(recommended))):
        if one.is_paced:
            for agreement in _AGREEMENTS if one is loss else (1.0,):
                curves[f"{name} at A = {agreement:g}"] = loss_curve(
                    one.at_agreement(agreement), n_classes=n_classes
                )
        else:
            curves[name] = loss_curve(one.at_agreement(1.0), n_classes=n_classes)
    for name in ("gce", BASELINE):
        curves[name] = loss_curve(LOSSES[name](reduction="none"), n_classes=n_classes)
    return curves


def _figure(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("matplotlib", "report", "drawing figures") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    figure.suptitle(figure_text(title, 110), fontsize=9, x=0.02, ha="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    buffer = BytesIO()
    figure.savefig(buffer, format=path.suffix.lstrip("."), dpi=160, metadata={"Software": None})
    write_bytes(path, buffer.getvalue())
