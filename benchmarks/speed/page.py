"""Write ``docs/performance.md`` and its charts from the results in ``benchmarks/speed/results/``.

    python -m benchmarks.speed.page

Marks in the template: ``table FILE [CASE-PREFIX]`` for the rows of a result, ``targets`` for all targets with
what was reached, ``convergence`` for that of the engine, ``facts FILE`` for a line on the machine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.page import DOCS, FIGURES, Page
from evoloss.report.direct_labels import label_ends
from evoloss.report.figures import COLOURS

HERE = Path(__file__).parent
RESULTS = HERE / "results"
README = DOCS.parent / "README.md"
BEGIN, END = "<!-- speed: made by python -m benchmarks.speed.page -->", "<!-- end of speed -->"
FIGURE = FIGURES / "generation-cost.png"
_CASES = {"popsize": "candidates", "pairs": "pairs", "classes": "classes"}
GENERATIONS = (10, 25, 50, 100)
"""Columns of the table of convergence."""


def load(name: str) -> dict[str, Any]:
    """One result file."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def table(name: str, prefix: str = "") -> list[str]:
    """The rows of a result whose case starts with ``prefix``, as Markdown."""
    rows = [row for row in load(name)["rows"] if row["case"].startswith(prefix)]
    if not rows:
        raise ValueError(f"{name}.json has no case that starts with {prefix!r}")
    lines = [
        "| case | subject | median | ratio | quartiles | to |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        low, high = row["ratio_quartiles"]
        lines.append(
            f"| {row['case']} | {row['subject']} | {amount(row)} | {figure(row['ratio'])} | "
            f"{figure(low)} to {figure(high)} | {row['baseline']} |"
        )
    return lines


def targets() -> list[str]:
    """Every target of every result, with what was measured."""
    lines = ["| goal | limit | measured | reached | why not |", "| --- | ---: | ---: | --- | --- |"]
    for path in sorted(RESULTS.glob("*.json")):
        for target in load(path.stem)["targets"]:
            sign = "at least" if target["at_least"] else "at most"
            reached = "yes" if target["reached"] else "**no**"
            limit = f"{sign} {figure(target['limit'])}"
            cells = (target["name"], limit, figure(target["measured"]), reached, target["reason"])
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def convergence() -> list[str]:
    """Ranking consistency of equal searches after some generations."""
    record = load("engine")["convergence"]
    columns = [at for at, generation in enumerate(record["generations"]) if generation in GENERATIONS]
    heads = [f"{record['generations'][at]} generations" for at in columns]
    lines = [f"| search | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(columns)}"]
    for name, scores in record["subjects"].items():
        cells = [f"{scores['mean'][at]:.4f} ± {scores['std'][at]:.4f}" for at in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def facts(name: str) -> list[str]:
    """One line on the command, the machine and the versions."""
    content = load(name)
    machine = content["facts"]
    return [
        f"`{content['command']}`: {machine['processor'] or machine['machine']}, {machine['cpus']} cores, "
        f"{machine['threads']} thread(s), load {machine['load']}, torch {machine['torch']}, "
        f"Python {machine['python']}."
    ]


def amount(row: dict[str, Any]) -> str:
    """The measured value of a row, with a unit."""
    return duration(row["seconds"]) if "seconds" in row else f"{figure(row['mebibytes'])} MiB"


def duration(seconds: float) -> str:
    """Seconds with a unit that fits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def figure(value: float) -> str:
    """A number with three digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


PAGE = Page(
    template=HERE / "page.md.in",
    out=DOCS / "performance.md",
    tables={"table": table, "targets": targets, "convergence": convergence, "facts": facts},
)


def draw(path: Path) -> None:
    """Charts of the cost of a generation."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = load("scaling")["rows"]
    drawn, axes = plt.subplots(1, 3, figsize=(12, 4), sharey=True, layout="constrained")
    for axis, (case, label) in zip(axes, _CASES.items(), strict=True):
        grouped = [row for row in rows if row["case"] == case]
        axis.set(xscale="log", yscale="log", ylim=(3.5, 55))
        ends = [(_curve(axis, grouped, COLOURS[0]), "in groups", COLOURS[0])]
        if case == "classes":
            every = [row for row in rows if row["case"] == "every class drawn"]
            _curve(axis, every, COLOURS[1])
            last = (_size(every[-1]), 1e3 * every[-1]["seconds"])
            axis.annotate(
                "every class drawn ", last, color=COLOURS[1], fontsize=12, ha="right", va="center",
                xytext=(-8, 0), textcoords="offset points",
            )  # fmt: skip
            label_ends(axis, ends, fontsize=12)
        axis.set_xlabel(label, fontsize=12)
        sizes = [_size(row) for row in grouped]
        axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axis.set_yticks([4, 6, 10, 20, 40], ["4", "6", "10", "20", "40"])
        axis.tick_params(labelsize=11)
        axis.minorticks_off()
        axis.grid(visible=True, which="both", alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("milliseconds a generation", fontsize=12)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(path, dpi=120)
    plt.close(drawn)


def _curve(axis: Any, rows: Sequence[dict[str, Any]], colour: str) -> float:
    """A line with its quartiles; returns its last value."""
    sizes = [_size(row) for row in rows]
    middle: list[float] = [1e3 * row["seconds"] for row in rows]
    low, high = ([1e3 * row["seconds_quartiles"][side] for row in rows] for side in (0, 1))
    axis.plot(sizes, middle, marker="o", color=colour)
    axis.fill_between(sizes, low, high, alpha=0.25, color=colour, linewidth=0)
    return middle[-1]


def _size(row: dict[str, Any]) -> int:
    return int(row["subject"].split()[-1])


def write() -> None:
    """Write the page and its charts."""
    PAGE.write()
    draw(FIGURE)


if __name__ == "__main__":
    write()
