"""Figures of a comparison: learning curves, accuracy of every seed, paired differences.

Colours are those of Okabe and Ito, told apart with any colour vision, with other markers and line styles
where there are more losses than colours. Drawn without a display.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoloss.compare.results import Results
from evoloss.compare.tuning import Edge
from evoloss.errors import ConfigError, MissingExtraError
from evoloss.report.tables import counted, marked, untested
from evoloss.safe_text import figure_text
from evoloss.training import RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D")
FORMATS = ("png", "svg")
_LONGEST_NAME = 70  # of a loss; a text with parameters is longer than a name
STEMS = ("learning_curves", "accuracy", "paired_differences")


def write_figures(results: Results, directory: Path, formats: Sequence[str] = ("png",)) -> list[Path]:
    """Draw every figure into a directory, which is made if it is missing.

    Args:
        results: at least one run.
        directory: where the files go.
        formats: of each figure; ``png`` or ``svg``.

    Returns:
        The files written. Paired differences are left out where there is only one loss.

    Raises:
        ConfigError: if a format is unknown.
        MissingExtraError: if matplotlib is not installed.
    """
    for name in formats:
        if name not in FORMATS:
            raise ConfigError(f"no figure format {name!r}; known: {', '.join(FORMATS)}")
    drawings: dict[str, Callable[[Results], Figure]] = {
        "learning_curves": draw_learning_curves,
        "accuracy": draw_accuracy,
    }
    if results.summary:
        drawings["paired_differences"] = draw_paired_differences
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for stem, draw in drawings.items() if results.runs else ():
        figure = draw(results)
        for name in formats:
            path = directory / f"{stem}.{name}"
            figure.savefig(path, dpi=160, bbox_inches="tight", metadata=_UNDATED[name])
            written.append(path)
    return written


def draw_learning_curves(results: Results) -> Figure:
    """Validation and training accuracy by epoch or round: mean of the seeds, band of one standard deviation.

    Training losses have units of their own, and may be near or below 0 in the first epoch, so they have no
    common axis. Training accuracy is that on the labels as given, so that learning wrong labels by heart
    shows; runs from before it was recorded have none, and the panel says so.
    """
    figure = _figure(11.0, 4.2)
    left, right = figure.subplots(1, 2)
    missing = 0
    for index, (loss, runs) in enumerate(_by_loss(results.runs).items()):
        style = {
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": LINES[index // len(COLOURS) % len(LINES)],
        }
        accuracy = [run.history.validation_accuracy for run in runs]
        _draw_band(left, accuracy, label=figure_text(loss, _LONGEST_NAME), style=style)
        training = [run.history.train_accuracy for run in runs if run.history.train_accuracy]
        if training:
            _draw_band(right, training, label=figure_text(loss, _LONGEST_NAME), style=style)
        missing += len(runs) - len(training)
    left.set(xlabel=results.unit, ylabel="validation accuracy, %", title="Validation accuracy")
    right.set(xlabel=results.unit, ylabel="training accuracy, %", title="Training accuracy, labels as given")
    if missing:
        text = f"not recorded by {missing} of {len(results.runs)} runs"
        right.text(0.5, 0.5, text, transform=right.transAxes, ha="center", color="0.4", fontsize=9)
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(*left.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    figure.suptitle(
        f"{_subject(results)}; mean and standard deviation over {_seeds(results.runs)}", fontsize=10
    )
    return figure


def draw_accuracy(results: Results) -> Figure:
    """Test accuracy of every run, one row a loss; the bar is the mean, a cross a diverged run."""
    groups, edges = _by_loss(results.runs), results.edges
    figure = _figure(7.0, 1.5 + 0.42 * len(groups))
    axes = figure.subplots()
    for row, (loss, runs) in enumerate(groups.items()):
        values = [run.test_accuracy for run in runs if run.test_accuracy is not None]
        colour = COLOURS[row % len(COLOURS)]
        marks = ["x" if run.diverged else MARKERS[row // len(COLOURS) % len(MARKERS)] for run in runs]
        for value, mark, offset in zip(values, marks, _spread_out(len(values)), strict=True):
            axes.plot(value, row + offset, mark, color=colour, alpha=0.8, markersize=5)
        axes.vlines(statistics.fmean(values), row - 0.32, row + 0.32, color=colour, linewidth=2.2)
        spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
        _write_beside(axes, row, f"{statistics.fmean(values):.2f}{spread}{marked(edges.get(loss))}")
    _label_rows(axes, list(groups))
    axes.set(xlabel=f"test accuracy, {results.judged}, %")
    axes.set_title(
        f"{_subject(results)}; one mark for each of {_seeds(results.runs)}, bar: mean", fontsize=10
    )
    _explain_edges(figure, edges)
    return figure


def draw_paired_differences(results: Results) -> Figure:
    """Test accuracy minus the baseline's, with corrected interval; small marks are the single seeds."""
    reference = {run.seed: run.test_accuracy for run in results.runs if run.loss == results.baseline}
    groups, edges = _by_loss(results.runs), results.edges
    figure = _figure(7.0, 1.5 + 0.42 * len(results.summary))
    axes = figure.subplots()
    axes.axvline(0, color="0.4", linewidth=1)
    for row, entry in enumerate(results.summary):
        singles = [
            run.test_accuracy - base
            for run in groups[entry.loss]
            if (base := reference.get(run.seed)) is not None and run.test_accuracy is not None
        ]
        axes.plot(singles, [row + 0.22] * len(singles), "|", color="0.55", markersize=7)
        interval = ""
        if entry.ci_low_holm is not None and entry.ci_high_holm is not None:
            axes.hlines(row, entry.ci_low_holm, entry.ci_high_holm, color=COLOURS[0], linewidth=2)
            interval = f" [{entry.ci_low_holm:+.2f}, {entry.ci_high_holm:+.2f}]"
        axes.plot(entry.mean_difference, row, "o", color=COLOURS[0], markersize=7)
        mark = marked(edges.get(entry.loss))
        _write_beside(axes, row, f"{entry.mean_difference:+.2f}{mark}{interval}")
    _label_rows(axes, [entry.loss for entry in results.summary])
    tested = any(entry.ci_low_holm is not None for entry in results.summary)
    kind = "95 % t interval, Holm" if tested else f"{untested(results.summary[0].n_seeds)}: no interval"
    axes.set(xlabel=f"test accuracy minus that of {figure_text(results.baseline)}, points ({kind})")
    axes.set_title(f"{_subject(results)}; paired over {_seeds(results.runs)}", fontsize=10)
    _explain_edges(figure, edges)
    return figure


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


def _draw_band(
    axes: Axes, curves: Sequence[Sequence[float | None]], *, label: str, style: dict[str, Any]
) -> None:
    """Draw mean and standard deviation where every curve that still runs has a value."""
    epochs, means, deviations = [], [], []
    for epoch in range(max(len(curve) for curve in curves)):
        values = [value for curve in curves if epoch < len(curve) and (value := curve[epoch]) is not None]
        if values:
            epochs.append(epoch + 1)
            means.append(statistics.fmean(values))
            deviations.append(statistics.stdev(values) if len(values) > 1 else 0.0)
    low = [mean - deviation for mean, deviation in zip(means, deviations, strict=True)]
    high = [mean + deviation for mean, deviation in zip(means, deviations, strict=True)]
    axes.fill_between(epochs, low, high, color=style["color"], alpha=0.15, linewidth=0)
    axes.plot(epochs, means, label=label, linewidth=1.8, marker="o" if len(epochs) == 1 else "", **style)


def _explain_edges(figure: Figure, edges: Mapping[str, Edge]) -> None:
    if edges:
        figure.supxlabel("↓ ↑ learning rate at the lower or upper end of its grid", fontsize=8)


def _label_rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), [figure_text(name, _LONGEST_NAME) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.25)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.06)


def _write_beside(axes: Axes, row: int, text: str) -> None:
    """Write numbers to the right of a row: where one loss fails, the others are too close to read off."""
    axes.text(1.02, row, text, transform=axes.get_yaxis_transform(), va="center", fontsize=9)


def _spread_out(count: int) -> list[float]:
    """Offsets within a row, so that equal values stay visible."""
    return [0.0] if count == 1 else [0.4 * (index / (count - 1) - 0.5) for index in range(count)]


def _subject(results: Results) -> str:
    run = results.runs[0]
    noise = f", {run.label_noise:.0%} {run.noise_kind} label noise" if run.label_noise else ""
    return figure_text(f"{run.dataset} ({run.n_train:,} training samples{noise}), {run.classifier}", 200)


def _seeds(runs: Iterable[RunResult]) -> str:
    return counted(len({run.seed for run in runs}), "seed")


def _by_loss(runs: Iterable[RunResult]) -> dict[str, list[RunResult]]:
    groups: dict[str, list[RunResult]] = {}
    for run in runs:
        groups.setdefault(run.loss, []).append(run)
    return groups


_UNDATED = {"png": {"Software": None}, "svg": {"Date": None}}
"""Metadata without date or version, so that equal results give equal files."""
