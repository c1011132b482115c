"""Write ``docs/transfer.md`` and its heat map from the results under ``benchmarks/transfer/results/``.

    python -m benchmarks.transfer.page

The prose of the page is ``benchmarks/transfer/page.md.in``; its lines ``<!-- protocol -->``,
``<!-- conditions -->``, ``<!-- rivals -->`` and ``<!-- matrix: VALUE -->`` are replaced by tables of what has
been run so far.
VALUE is accuracy, best_accuracy, nll or nll_scaled.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.markdown import is_clear, numbers_table
from benchmarks.transfer.competitors import rivals
from benchmarks.transfer.conditions import CONDITIONS, Condition
from benchmarks.transfer.run import OUT
from evoloss.atomic_files import write_text
from evoloss.compare.results import FILE_NAME, Results
from evoloss.compare.statistics import PairedDifference
from evoloss.report.tables import HEADERS, NOTHING, caption, table_rows

HERE = Path(__file__).parent
TEMPLATE = HERE / "page.md.in"
PAGE = HERE.parents[1] / "docs/transfer.md"
FIGURE = HERE.parents[1] / "docs/figures/transfer.png"
Found = Mapping[str, Results]


@dataclass(frozen=True)
class Cell:
    """A loss against the baseline in one condition.

    Attributes:
        mean: difference of the means over seeds.
        clear: whether the Holm-corrected p-value is below 0.05.
    """

    mean: float
    clear: bool


def load(folder: Path = OUT) -> dict[str, Results]:
    """Read every condition that has been run, in the order of the protocol."""
    names = [condition.name for condition in CONDITIONS if (folder / condition.name / FILE_NAME).exists()]
    found = {name: Results.read(folder / name) for name in names}
    return {name: results for name, results in found.items() if results.runs}


def protocol() -> list[str]:
    """What each condition is, run or not."""
    lines = [
        "| condition | classifier | training images | labels | epochs | augmentation | rates | seeds |",
        "| --- | --- | ---: | --- | ---: | --- | --- | ---: |",
    ]
    for each in CONDITIONS:
        size = "all" if each.train_samples is None else f"{each.train_samples:,}"
        labels = f"{each.label_noise:.0%} {each.noise_kind}" if each.label_noise else "clean"
        rates = ", ".join(f"{rate:g}" for rate in each.lr_grid)
        augment = "crop, flip" if each.dataset == "cifar10" and each.augment == "auto" else "none"
        cells = (each.name, each.model, size, labels, str(each.epochs), augment, rates, str(each.seeds))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def conditions(found: Found) -> list[str]:
    """A heading, what was run, and a table for each condition; losses by their last-epoch accuracy."""
    lines: list[str] = []
    for condition in CONDITIONS:
        if condition.name in found:
            results = found[condition.name]
            lines += [f"### {condition.title} (`{condition.name}`)", "", caption(results), ""]
            lines += [*table(condition, results), ""]
    return lines or ["No condition has been run yet."]


def table(condition: Condition, results: Results) -> list[str]:
    """One condition as a Markdown table; a rate at the end of the grid is marked."""
    kept = [place for place, name in enumerate(HEADERS) if name != "s / run"]
    heads = [HEADERS[place] for place in kept]
    body = []
    rows = zip(table_rows(results), results.losses, strict=True)
    for cells, loss in sorted(rows, key=lambda row: -row[1].mean_test_accuracy):
        edge = {min(condition.lr_grid): " ↓", max(condition.lr_grid): " ↑"}.get(loss.lr, "")
        shown = [cells[place] + (edge if HEADERS[place] == "lr" else "") for place in kept]
        body.append(shown)
    return numbers_table(heads, body)


def differences(found: Found, value: str) -> dict[str, dict[str, Cell]]:
    """Differences to the baseline by loss and condition; losses with the best mean first.

    Those that miss conditions come after those that have all, since their means are over others.
    """
    cells: dict[str, dict[str, Cell]] = {}
    for name, results in found.items():
        for row in results.summary:
            if (cell := _cell(row, value)) is not None:
                cells.setdefault(row.loss, {})[name] = cell
    sign = -1 if value.startswith("nll") else 1

    def place(loss: str) -> tuple[int, float]:
        return -len(cells[loss]), -sign * statistics.fmean(cell.mean for cell in cells[loss].values())

    return {loss: cells[loss] for loss in sorted(cells, key=place)}


def _cell(row: PairedDifference, value: str) -> Cell | None:
    contrast = row if value == "accuracy" else getattr(row, value)
    if contrast is None:
        return None
    return Cell(contrast.mean_difference, is_clear(contrast.p_holm))


def matrix(found: Found, value: str) -> list[str]:
    """All losses in all conditions as a Markdown table; bold where the difference is clear."""
    cells = differences(found, value)
    if not cells:
        return ["Nothing to compare yet."]
    digits = 3 if value.startswith("nll") else 1
    body = []
    for loss, row in cells.items():
        shown = [_show(row.get(name), digits) for name in found]
        mean = f"{statistics.fmean(cell.mean for cell in row.values()):+.{digits}f}"
        missing = "" if len(row) == len(found) else f" (of {len(row)})"
        body.append((loss, *shown, mean + missing))
    return numbers_table(("loss", *found, "mean"), body)


def _show(cell: Cell | None, digits: int) -> str:
    if cell is None:
        return NOTHING
    return f"**{cell.mean:+.{digits}f}**" if cell.clear else f"{cell.mean:+.{digits}f}"


def render(found: Found, template: str) -> str:
    """Fill in the page."""
    lines: list[str] = []
    for line in template.splitlines():
        if line == "<!-- protocol -->":
            lines += protocol()
        elif line == "<!-- conditions -->":
            lines += conditions(found)
        elif line == "<!-- rivals -->":
            lines += rivals(found)
        elif match := re.fullmatch(r"<!-- matrix: (accuracy|best_accuracy|nll|nll_scaled) -->", line):
            lines += matrix(found, match[1])
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def draw(found: Found, path: Path) -> None:
    """Draw the differences of last-epoch accuracy as a heat map; nothing where there are none."""
    cells = differences(found, "accuracy")
    if not cells:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import SymLogNorm
    from matplotlib.figure import Figure

    values = [[row[name].mean if name in row else float("nan") for name in found] for row in cells.values()]
    figure = Figure(figsize=(2.2 + 0.62 * len(found), 1.6 + 0.3 * len(cells)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    # A point matters near 0, and a loss that fails by 50 points must not hide it.
    image = axes.imshow(values, cmap="RdBu", norm=SymLogNorm(1.0, vmin=-50, vmax=50), aspect="auto")
    axes.set_facecolor("0.85")
    axes.set_xticks(range(len(found)), list(found), rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(cells)), list(cells), fontsize=8)
    for y, row in enumerate(cells.values()):
        for x, name in enumerate(found):
            if name in row:
                weight = "bold" if row[name].clear else "normal"
                colour = "white" if abs(row[name].mean) > 6 else "black"
                text = f"{row[name].mean:+.1f}"
                axes.text(x, y, text, ha="center", va="center", fontsize=7, weight=weight, color=colour)
    bar = figure.colorbar(image, ax=axes, ticks=[-50, -10, -1, 0, 1, 10, 50], format="%+d")
    bar.set_label("points of last-epoch test accuracy", fontsize=8)
    axes.set_title("Difference to cross-entropy; bold: Holm-corrected p below 0.05", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, metadata={"Software": None})


if __name__ == "__main__":
    FOUND = load()
    write_text(PAGE, render(FOUND, TEMPLATE.read_text(encoding="utf-8")))
    draw(FOUND, FIGURE)
