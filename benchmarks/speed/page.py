"""Write ``docs/performance.md`` and its charts from the results under ``benchmarks/speed/results/``.

    python -m benchmarks.speed.page

The prose of the page is ``benchmarks/speed/page.md.in``; a line ``<!-- table: FILE [CASE-PREFIX] -->`` in
it is replaced by a table of that result, ``<!-- targets -->`` by all goals with what was reached, ``<!--
facts: FILE -->`` by a line on the machine. Numbers in the prose are not checked; there should be none that
a table has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evoloss.atomic_files import write_text

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parents[1] / "docs/performance.md"
FIGURE = HERE.parents[1] / "docs/figures/generation-cost.png"


def load(name: str) -> dict[str, Any]:
    """One result file."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def table(name: str, prefix: str) -> list[str]:
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
    """Every goal of every result, with what was measured."""
    lines = ["| goal | limit | measured | reached | why not |", "| --- | ---: | ---: | --- | --- |"]
    for path in sorted(RESULTS.glob("*.json")):
        for each in load(path.stem)["targets"]:
            sign = "at least" if each["at_least"] else "at most"
            reached = "yes" if each["reached"] else "**no**"
            limit = f"{sign} {figure(each['limit'])}"
            cells = (each["name"], limit, figure(each["measured"]), reached, each["reason"])
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def convergence() -> list[str]:
    """Ranking consistency of equal searches after some generations."""
    found = load("engine")["convergence"]
    shown = [at for at, look in enumerate(found["generations"]) if look in (10, 25, 50, 100)]
    heads = [f"{found['generations'][at]} generations" for at in shown]
    lines = [f"| search | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(shown)}"]
    for name, scores in found["subjects"].items():
        cells = [f"{scores['mean'][at]:.4f} ± {scores['std'][at]:.4f}" for at in shown]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def facts(name: str) -> list[str]:
    """One line on what ran on what."""
    content = load(name)
    said = content["facts"]
    return [
        f"`{content['command']}`: {said['processor'] or said['machine']}, {said['cpus']} cores, "
        f"{said['threads']} thread(s), load {said['load']}, torch {said['torch']}, Python {said['python']}."
    ]


def amount(row: dict[str, Any]) -> str:
    """What a row measured, with a unit."""
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


def render() -> str:
    """The page."""
    lines: list[str] = []
    for line in (HERE / "page.md.in").read_text(encoding="utf-8").splitlines():
        if found := re.fullmatch(r"<!-- table: (\S+) ?(.*?) -->", line):
            lines += table(found[1], found[2])
        elif found := re.fullmatch(r"<!-- facts: (\S+) -->", line):
            lines += facts(found[1])
        elif line == "<!-- targets -->":
            lines += targets()
        elif line == "<!-- convergence -->":
            lines += convergence()
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def draw(path: Path) -> None:
    """Charts of the cost of a generation."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = load("scaling")["rows"]
    panels = (("popsize", "popsize"), ("pairs", "pairs"), ("classes", "classes"))
    drawn, axes = plt.subplots(1, 3, figsize=(11, 3.4), sharey=True, layout="constrained")
    for axis, (case, label) in zip(axes, panels, strict=True):
        _curve(
            axis, [row for row in rows if row["case"] == case], "grouped" if case == "classes" else "measured"
        )
        if case == "classes":
            _curve(axis, [row for row in rows if row["case"] == "every class drawn"], "every class drawn")
            axis.legend(frameon=False)
        axis.set(xscale="log", yscale="log", xlabel=label)
        sizes = [int(row["subject"].split()[-1]) for row in rows if row["case"] == case]
        axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axis.set_yticks([4, 6, 10, 20, 40], ["4", "6", "10", "20", "40"])
        axis.minorticks_off()
        axis.grid(visible=True, which="both", alpha=0.25)
    axes[0].set_ylabel("milliseconds a generation")
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(path, dpi=120)
    plt.close(drawn)


def _curve(axis: Any, rows: Sequence[dict[str, Any]], label: str) -> None:
    sizes = [int(row["subject"].split()[-1]) for row in rows]
    middle = [1e3 * row["seconds"] for row in rows]
    low, high = ([1e3 * row["seconds_quartiles"][side] for row in rows] for side in (0, 1))
    axis.plot(sizes, middle, marker="o", label=label)
    axis.fill_between(sizes, low, high, alpha=0.25)


if __name__ == "__main__":
    write_text(PAGE, render())
    draw(FIGURE)
