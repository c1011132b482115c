"""Two figures of the courses in ``benchmarks/sensing/results/courses.json``, as SVG.

    python -m benchmarks.sensing.figures

``sensing-accuracy.svg``: accuracy over the epochs, clean and noisy, with three losses, on images that were
held out with clean labels. ``sensing-noise.svg``: what a sensing loss reads of the noise in six conditions,
beside the share of labels that are wrong. Courses that are not there are left out, and named.
"""

from __future__ import annotations

import io
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

ACCURACY = ("clean-long", "sym40-long")
"""Conditions whose accuracy is drawn."""
LOSSES = {
    "cross_entropy": ("cross-entropy", "0.45"),
    "gce": ("GCE", "tab:orange"),
    "sensing": ("sensing", "tab:blue"),
}
"""Losses whose accuracy is drawn, with label and colour."""
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
    """Draw both figures."""

    courses: Path = OUT
    """File of the courses."""
    out: Path = FIGURES
    """Folder of the figures."""


def pick(courses: Iterable[Course], condition: str, loss: str) -> list[Course]:
    """The courses of a condition and a loss, one a seed."""
    return [course for course in courses if (course["condition"], course["loss"]) == (condition, loss)]


def missing(courses: Iterable[Course]) -> list[str]:
    """What is to be drawn and is not there: a condition and a loss in a line."""
    there = {(course["condition"], course["loss"]) for course in courses}
    wanted = [(condition, loss) for condition in ACCURACY for loss in LOSSES]
    wanted += [(condition, "sensing") for condition in WRONG]
    return [
        f"{condition}, {loss}" for condition, loss in dict.fromkeys(wanted) if (condition, loss) not in there
    ]


def _title(condition: str) -> str:
    return next(row.title for row in CONDITIONS if row.name == condition).split(",")[0]


def _epochs(values: list[float | None]) -> tuple[list[int], list[float]]:
    """Epochs that were looked at, counted from 1, and their values."""
    seen = [(epoch, value) for epoch, value in enumerate(values, 1) if value is not None]
    return [epoch for epoch, _ in seen], [value for _, value in seen]


def draw_accuracy(courses: list[Course], path: Path) -> None:
    """Accuracy over the epochs, a panel a condition; the mean over seeds, where there are several."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6 * len(ACCURACY), 2.9), layout="constrained")
    for axes, condition in zip(figure.subplots(1, len(ACCURACY), sharey=True), ACCURACY, strict=True):
        for loss, (label, colour) in LOSSES.items():
            runs = [course["validation_accuracy"] for course in pick(courses, condition, loss)]
            if runs:
                means = [_mean(epoch) for epoch in zip(*runs, strict=True)]
                axes.plot(*_epochs(means), color=colour, label=label, linewidth=1.6)
        axes.set(title=_title(condition), xlabel="epoch")
        axes.grid(color="0.92")
    figure.axes[0].set_ylabel("accuracy, %")
    if any(axes.lines for axes in figure.axes):
        labels = {label: line for axes in figure.axes for line, label in zip(*_legend(axes), strict=True)}
        figure.legend(list(labels.values()), list(labels), loc="outside lower center", ncols=3, frameon=False)
    _save(figure, path)


def draw_noise(courses: list[Course], path: Path) -> None:
    """What a sensing loss reads of the noise, a panel a condition, and the share that is wrong (dashed)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    drawn = [course for condition in WRONG for course in pick(courses, condition, "sensing")]
    reading = _reading(drawn)
    for axes, (condition, wrong) in zip(
        figure.subplots(2, 3, sharex=True, sharey=True).flat, WRONG.items(), strict=True
    ):
        axes.axhline(wrong, color="0.45", linestyle="--", linewidth=1)
        for course in pick(courses, condition, "sensing"):
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


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _legend(axes: Any) -> Any:
    return axes.get_legend_handles_labels()


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
        draw_accuracy(courses, options.out / "sensing-accuracy.svg")
        draw_noise(courses, options.out / "sensing-noise.svg")
    for line in missing(courses):
        print(f"not there: {line}")


if __name__ == "__main__":
    command.run(Figures, main)
