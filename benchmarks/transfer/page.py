"""Write ``docs/transfer.md`` and its heat map from the results in ``benchmarks/transfer/results/``.

    python -m benchmarks.transfer.page

Marks in the template: ``protocol``, ``conditions``, ``competitors``, and ``matrix VALUE`` with VALUE one of
accuracy, best_accuracy, nll or nll_scaled. They show what has been run so far.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness.markdown import numbers_table
from benchmarks.harness.page import DOCS, FIGURES, Page
from benchmarks.harness.words import loss_in_words
from benchmarks.transfer.competitors import competitors
from benchmarks.transfer.conditions import CONDITIONS
from benchmarks.transfer.run import OUT
from evoloss.compare.inference import is_significant
from evoloss.compare.results import FILE_NAME, Results
from evoloss.compare.statistics import PairedDifference
from evoloss.report.tables import HEADERS, NOTHING, caption, marked, table_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEMPLATE = Path(__file__).parent / "page.md.in"
FIGURE = FIGURES / "transfer.png"
VALUES = ("accuracy", "best_accuracy", "nll", "nll_scaled")
EDGES = (
    "",
    "↓ ↑ behind a difference: the loss's learning rate was chosen at the lower or upper end of its grid, so "
    "that a rate beyond it may be better; behind a condition: that of cross-entropy.",
)
"""Below a table with marks."""
_DARK = 4.5  # points; the cell of a larger difference has a dark ground
ByCondition = Mapping[str, Results]
"""The results of each condition that has been run, by its name."""


@dataclass(frozen=True)
class Cell:
    """A loss against the baseline in one condition.

    Attributes:
        mean: difference of the means over seeds.
        significant: whether the Holm-corrected p-value is below 0.05.
        mark: of a learning rate that was chosen at an end of its grid.
    """

    mean: float
    significant: bool
    mark: str = ""


def load(folder: Path = OUT) -> dict[str, Results]:
    """Read every condition that has been run, in the order of the protocol."""
    names = [condition.name for condition in CONDITIONS if (folder / condition.name / FILE_NAME).exists()]
    results = {name: Results.read(folder / name) for name in names}
    return {name: result for name, result in results.items() if result.runs}


def page(results: ByCondition) -> Page:
    """The page of some results."""
    return Page(
        template=TEMPLATE,
        out=DOCS / "transfer.md",
        tables={
            "protocol": protocol,
            "conditions": lambda: conditions(results),
            "competitors": lambda: competitors(results),
            "matrix": lambda value: matrix(results, value),
        },
    )


def protocol() -> list[str]:
    """The settings of every condition, run or not."""
    lines = [
        "| condition | classifier | training images | labels | epochs | augmentation | rates | seeds |",
        "| --- | --- | ---: | --- | ---: | --- | --- | ---: |",
    ]
    for condition in CONDITIONS:
        cells = (
            condition.name,
            condition.model,
            "all" if condition.train_samples is None else f"{condition.train_samples:,}",
            f"{condition.label_noise:.0%} {condition.noise_kind}" if condition.label_noise else "clean",
            str(condition.epochs),
            "crop, flip" if condition.dataset == "cifar10" and condition.augment == "auto" else "none",
            ", ".join(f"{rate:g}" for rate in condition.lr_grid),
            str(condition.seeds),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def conditions(results: ByCondition) -> list[str]:
    """A heading, what was run, and a table for each condition; losses by their last-epoch accuracy."""
    lines: list[str] = []
    for condition in CONDITIONS:
        if condition.name in results:
            result = results[condition.name]
            lines += [f"### {condition.title} (`{condition.name}`)", "", caption(result), ""]
            lines += [*table(result), ""]
    return lines or ["No condition has been run yet."]


def table(results: Results) -> list[str]:
    """One condition as a Markdown table; a rate at the end of the grid is marked."""
    columns = [place for place, name in enumerate(HEADERS) if name != "s / run"]
    body = []
    rows = zip(table_rows(results), results.losses, strict=True)
    for cells, _ in sorted(rows, key=lambda row: -row[1].mean_test_accuracy):
        body.append([cells[place] for place in columns])
    return numbers_table([HEADERS[place] for place in columns], body)


def differences(results: ByCondition, value: str) -> dict[str, dict[str, Cell]]:
    """Differences to the baseline by loss and condition; losses with the best mean first.

    Those that miss conditions come after those that have all, since their means are over others.
    """
    cells: dict[str, dict[str, Cell]] = {}
    for name, result in results.items():
        for row in result.summary:
            if (cell := _cell(row, value, marked(result.edges.get(row.loss)))) is not None:
                cells.setdefault(row.loss, {})[name] = cell
    sign = -1 if value.startswith("nll") else 1

    def place(loss: str) -> tuple[int, float]:
        return -len(cells[loss]), -sign * statistics.fmean(cell.mean for cell in cells[loss].values())

    return {loss: cells[loss] for loss in sorted(cells, key=place)}


def _cell(row: PairedDifference, value: str, mark: str) -> Cell | None:
    contrast = row if value == "accuracy" else getattr(row, value)
    if contrast is None:
        return None
    return Cell(contrast.mean_difference, is_significant(contrast.p_holm), mark)


def matrix(results: ByCondition, value: str) -> list[str]:
    """All losses in all conditions as a Markdown table; bold where the difference is significant.

    Raises:
        ValueError: if the value is none of :data:`VALUES`.
    """
    if value not in VALUES:
        raise ValueError(f"a matrix shows one of {', '.join(VALUES)}, got {value!r}")
    cells = differences(results, value)
    if not cells:
        return ["Nothing to compare yet."]
    digits = 3 if value.startswith("nll") else 1
    body = []
    for loss, row in cells.items():
        shown = [_text(row.get(name), digits) for name in results]
        mean = f"{statistics.fmean(cell.mean for cell in row.values()):+.{digits}f}"
        missing = "" if len(row) == len(results) else f" (of {len(row)})"
        body.append((loss, *shown, mean + missing))
    heads = [name + marked(result.edges.get(result.baseline)) for name, result in results.items()]
    return [*numbers_table(("loss", *heads, "mean"), body), *EDGES]


def _text(cell: Cell | None, digits: int) -> str:
    if cell is None:
        return NOTHING
    text = f"{cell.mean:+.{digits}f}"
    return (f"**{text}**" if cell.significant else text) + cell.mark


def draw(results: ByCondition, path: Path) -> None:
    """Draw the differences of last-epoch accuracy as a heat map; nothing where there are none.

    Only what is distinguishable from 0 has a colour; all numbers are there.
    """
    cells = differences(results, "accuracy")
    if not cells:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import SymLogNorm
    from matplotlib.figure import Figure

    # Nothing to compare is grey, nothing found white: the middle of the colours.
    values = [
        [row[name].mean * row[name].significant if name in row else float("nan") for name in results]
        for row in cells.values()
    ]
    figure = Figure(figsize=(4.0 + 0.68 * len(results), 3.4 + 0.36 * len(cells)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    # A point matters near 0, and a loss that fails by 50 points must not hide it.
    image = axes.imshow(values, cmap="PuOr", norm=SymLogNorm(1.0, vmin=-50, vmax=50), aspect="auto")
    axes.set_facecolor("0.85")
    titles = {condition.name: condition.title for condition in CONDITIONS}
    axes.set_xticks(
        range(len(results)),
        [titles.get(name, name) for name in results],
        rotation=45,
        ha="right",
        fontsize=11,
    )
    axes.set_yticks(range(len(cells)), [loss_in_words(loss) for loss in cells], fontsize=12)
    for y, row in enumerate(cells.values()):
        for x, name in enumerate(results):
            if name in row:
                _write_cell(axes, x, y, row[name])
    bar = figure.colorbar(image, ax=axes, ticks=[-50, -10, -1, 0, 1, 10, 50], format="%+d")
    bar.set_label("points of last-epoch test accuracy", fontsize=12)
    bar.ax.tick_params(labelsize=11)
    axes.set_title(
        "Difference to cross-entropy; coloured and bold: p below 0.05 after Holm", fontsize=13, loc="left"
    )
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _write_cell(axes: Axes, x: int, y: int, cell: Cell) -> None:
    dark = cell.significant and abs(cell.mean) > _DARK
    axes.text(
        x,
        y,
        f"{cell.mean:+.1f}".replace("-", "−"),
        ha="center",
        va="center",
        fontsize=10.5,
        weight="bold" if cell.significant else "normal",
        color="white" if dark else "black" if cell.significant else "0.35",
    )


def write() -> None:
    """Write the page and its figure."""
    results = load()
    page(results).write()
    draw(results, FIGURE)


if __name__ == "__main__":
    write()
