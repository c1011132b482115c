"""Figures of the courses in ``benchmarks/sensing/results/courses.json``, as SVG.

    python -m benchmarks.sensing.figures

``sensing-accuracy-light.svg`` and ``-dark.svg``: accuracy over the epochs with wrong labels and right ones,
with cross-entropy and the sensing loss, mean and range over fresh seeds, on images that were held out with
clean labels. ``sensing-noise.svg``: what a sensing loss reads of the noise in six conditions, beside the
share of labels that are wrong. Courses that are not there are left out, and named.
"""

from __future__ import annotations

import io
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cifar10_20k.conditions import CONDITIONS
from benchmarks.harness import command
from benchmarks.harness.page import FIGURES
from benchmarks.harness.results import read_record
from benchmarks.sensing.run import OUT
from evoloss.atomic_files import write_bytes

ACCURACY = {"sym40-long": "40 % of the labels wrong", "clean-long": "all labels right"}
"""Conditions whose accuracy is drawn, and what is said of them."""
LOSSES = {"cross_entropy": "cross-entropy", "sensing": "adaptive"}
"""Losses whose accuracy is drawn, and their names in the figure."""
FIRST_FRESH = 105
"""The first seed that the loss was not set by hand with; of earlier ones no accuracy is drawn."""
COLOURS = {
    "light": {"text": "#1f2328", "grid": "#e6e8eb", "cross_entropy": "#6e7781", "sensing": "#0969da"},
    "dark": {"text": "#e6edf3", "grid": "#30363d", "cross_entropy": "#9aa4af", "sensing": "#58a6ff"},
}
"""Colours for pages of either kind; the background is the page's."""
WRONG = {
    "clean-long": 0.0,
    "sym20-long": 0.2,
    "sym40-long": 0.4,
    "sym80-long": 0.8,
    "asym40-long": 0.2,  # 40 % in five of ten classes
    "human-long": 0.172,
}
"""Conditions whose sensed noise is drawn, and the share of wrong training labels in each."""
READINGS = {"noise_rate": "estimated noise rate", "plateau": "contradictions that stay"}
"""Readings that say how much noise there is, the one that is drawn if it is there first."""
Course = Mapping[str, Any]
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "evoloss",
    "font.size": 9,
    "axes.spines.top": False,
}


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Draw the figures."""

    courses: Path = OUT
    """File of the courses."""
    out: Path = FIGURES
    """Folder of the figures."""


def pick(courses: Iterable[Course], condition: str, loss: str) -> list[Course]:
    """The courses of a condition and a loss, one a seed."""
    return [course for course in courses if (course["condition"], course["loss"]) == (condition, loss)]


def missing(courses: Iterable[Course]) -> list[str]:
    """What is to be drawn and is not there: a condition and a loss in a line."""
    courses = list(courses)
    drawn = {
        (condition, loss): bool(fresh(courses, condition, loss)) for condition in ACCURACY for loss in LOSSES
    }
    read = {(condition, "sensing"): bool(fresh(courses, condition, "sensing")) for condition in WRONG}
    return [f"{condition}, {loss}" for (condition, loss), there in (drawn | read).items() if not there]


def _title(condition: str) -> str:
    return next(row.title for row in CONDITIONS if row.name == condition).split(",")[0]


def _epochs(values: list[float | None]) -> tuple[list[int], list[float]]:
    """Epochs that were looked at, counted from 1, and their values."""
    seen = [(epoch, value) for epoch, value in enumerate(values, 1) if value is not None]
    return [epoch for epoch, _ in seen], [value for _, value in seen]


def draw_accuracy(courses: list[Course], path: Path, scheme: str) -> None:
    """Accuracy over the epochs, a panel a condition: mean and range over seeds, names at the ends."""
    from matplotlib.figure import Figure

    colours = COLOURS[scheme]
    figure = Figure(figsize=(8.4, 3.0), layout="constrained")
    figure.patch.set_alpha(0)
    for axes, (condition, title) in zip(
        figure.subplots(1, len(ACCURACY), sharey=True), ACCURACY.items(), strict=True
    ):
        ends = {}
        for loss in LOSSES:
            runs = [course["validation_accuracy"] for course in fresh(courses, condition, loss)]
            if not runs:
                continue
            by_epoch = [[value for value in epoch if value is not None] for epoch in zip(*runs, strict=True)]
            epochs = [epoch for epoch, values in enumerate(by_epoch, 1) if values]
            seen = [values for values in by_epoch if values]
            means = [statistics.fmean(values) for values in seen]
            axes.fill_between(
                epochs,
                [min(row) for row in seen],
                [max(row) for row in seen],
                color=colours[loss],
                alpha=0.2,
                lw=0,
            )
            axes.plot(epochs, means, color=colours[loss], linewidth=1.8)
            ends[loss] = (epochs[-1], means[-1])
        for loss, (epoch, height) in _apart(ends).items():
            axes.annotate(
                LOSSES[loss], (epoch, height), xytext=(5, 0), textcoords="offset points", va="center",
                color=colours[loss], annotation_clip=False,
            )  # fmt: skip
        axes.set_title(title, color=colours["text"], loc="left")
        axes.set_xlabel("epoch", color=colours["text"])
        axes.grid(color=colours["grid"], linewidth=0.8)
        axes.patch.set_alpha(0)
        axes.tick_params(colors=colours["text"], length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    figure.axes[0].set_ylabel("accuracy on clean labels, %", color=colours["text"])
    _save(figure, path)


def fresh(courses: Iterable[Course], condition: str, loss: str) -> list[Course]:
    """The courses of a condition and a loss whose seeds nothing was chosen with."""
    return [course for course in pick(courses, condition, loss) if course["seed"] >= FIRST_FRESH]


def _apart(ends: Mapping[str, tuple[int, float]], least: float = 2.5) -> dict[str, tuple[int, float]]:
    """The ends of lines with names that do not cover each other, so many points apart at least."""
    placed: dict[str, tuple[int, float]] = {}
    below = -math.inf
    for loss, (epoch, height) in sorted(ends.items(), key=lambda item: item[1][1]):
        below = max(height, below + least)
        placed[loss] = (epoch, below)
    return placed


def draw_noise(courses: list[Course], path: Path) -> None:
    """What a sensing loss reads of the noise, a panel a condition, and the share that is wrong (dashed)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    drawn = [course for condition in WRONG for course in fresh(courses, condition, "sensing")]
    reading = _reading(drawn)
    for axes, (condition, wrong) in zip(
        figure.subplots(2, 3, sharex=True, sharey=True).flat, WRONG.items(), strict=True
    ):
        axes.axhline(wrong, color="0.45", linestyle="--", linewidth=1)
        for course in fresh(courses, condition, "sensing"):
            values = [row.get(reading) for row in course["readings"]]
            axes.plot(*_epochs(values), color="tab:blue", linewidth=1.6)
        axes.set(title=_title(condition), ylim=(0, 1))
        axes.grid(color="0.92")
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel(f"{READINGS[reading]}; dashed: labels that are wrong", fontsize=9)
    _save(figure, path)


def _reading(courses: Iterable[Course]) -> str:
    """The first of :data:`READINGS` that every course has."""
    rows = [row for course in courses for row in course["readings"]]
    return next((name for name in READINGS if all(name in row for row in rows)), "plateau")


def _save(figure: Any, path: Path) -> None:
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    write_bytes(path, buffer.getvalue())


def main(options: Figures) -> None:
    """Draw what is there, and say what is not."""
    import matplotlib as mpl

    courses = list(read_record(options.courses).values())
    with mpl.rc_context(_STYLE):
        for scheme in COLOURS:
            draw_accuracy(courses, options.out / f"sensing-accuracy-{scheme}.svg", scheme)
        draw_noise(courses, options.out / "sensing-noise.svg")
    for line in missing(courses):
        print(f"not there: {line}")


if __name__ == "__main__":
    command.run(Figures, main)
