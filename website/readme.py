"""The numbers of README.md, from the committed results.

    python -m website.readme            # print the tables
    python -m website.readme --write    # put them between their marks

What a choice gained and what it costs are medians over committed conditions; the results are the conditions
of ``benchmarks.cifar10_20k`` that ``adaptive`` and cross-entropy have been run in.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.harness import command
from benchmarks.harness.page import replace_between
from evoloss.atomic_files import write_text
from evoloss.compare.results import FILE_NAME, Results
from website.choices import gains_in
from website.gains import Gains
from website.runs import BASELINE, ROOT, collect
from website.tables import points, table

README = ROOT / "README.md"
EVOLVED = ROOT / "benchmarks/evolve/results"
"""Comparisons with a loss that was evolved for a regime."""
SETS = {"wine": "wine", "digits-389": "three digits"}
CHOOSE = "<!-- choose: python -m website.readme --write -->", "<!-- choose end -->"
RESULTS = "<!-- results: python -m website.readme --write -->", "<!-- results end -->"
STUDY, OWN, RIVAL = "cifar10_20k", "adaptive", "gce"
_SHOWN = (BASELINE, RIVAL, OWN)
_ROWS = (
    (
        "You cannot tell how many labels are wrong",
        'from_pretrained("adaptive", n_samples=len(train_set))',
        "adaptive",
        ("wrong-labels", "all data"),
        "right-labels",
        "shuffled epochs of two batches or more; one criterion a training",
    ),
    (
        "Labels are mostly right: experts, a measurement",
        'from_pretrained("evolved-base")',
        "evolved-base",
        ("wrong-labels", "all data"),
        "right-labels",
        "nothing",
    ),
    (
        "A quarter or more are wrong; a table, or a small image set",
        'from_pretrained("evolved-noise-strong")',
        "evolved-noise-strong",
        ("wrong-labels", "all data"),
        "right-labels",
        "batches of some dozens",
    ),
)


@dataclass(frozen=True, kw_only=True)
class ReadmeTables:
    """Print the tables, or write them into the README."""

    write: bool = False
    """Replace what stands between the marks in README.md."""


def choose_table() -> list[str]:
    """Losses by what one knows before training, with what they gained and cost."""
    rows = []
    for known, written, loss, (wrong, where), right, needs in _ROWS:
        gained, cost = gains_in(wrong, loss), gains_in(right, loss)
        told = f"{points(gained.median)} ({_count(gained)}, {where})"
        rows.append([known, f"`{written}`", told, f"{points(cost.median)} ({_count(cost)})", needs])
    head = ["you know", "write `EvolvedLoss.` ...", "gained, wrong labels", "right labels", "it needs"]
    return [*table(head, rows, "lllll"), "", _own_regime()]


def _own_regime() -> str:
    """What a loss gave that was evolved for a regime, and the best of the others."""
    own, others, counts, seeds = [], [], set(), set()
    for folder, name in SETS.items():
        rows = Results.read(EVOLVED / folder / FILE_NAME).summary
        (row,) = [row for row in rows if row.loss.startswith("own-")]
        own.append(f"{points(row.mean_difference)} on {name}")
        others.append(points(max(other.mean_difference for other in rows if other is not row)))
        counts.add(len(rows) - 1)
        seeds.add(row.n_seeds)
    command = "evoloss evolve --out mine --for noise --classes 3 --samples 100-400 --budget 10m"
    return (
        f"**Your own regime**: `{command}` makes a loss for it. With 40 % wrong labels one gave "
        f"{' and '.join(own)}, where the best of {min(counts)} others gave {' and '.join(others)} (MLP, "
        f"default rate, {min(seeds)} seeds)."
    )


def results_table() -> list[str]:
    """Accuracies of the study of 20,000 images, and a sentence over its conditions and over all."""
    shared = _shared()
    by_labels: dict[str, dict[str, Mapping[str, Any]]] = {}
    for title, cells, _ in shared:
        labels, course = title.split(", ", 1)
        by_labels.setdefault(labels, {})[course] = cells
    courses = list(dict.fromkeys(course for found in by_labels.values() for course in found))
    head = ["accuracy, %"]
    for course in courses:
        head += [f"{course.split(',')[0]}: cross-entropy", "GCE", f"`{OWN}`"]
    rows = [
        [labels, *(_accuracy(found.get(course, {}).get(loss)) for course in courses for loss in _SHOWN)]
        for labels, found in by_labels.items()
    ]
    gains = [gain for *_, gain in shared]
    seeds = min(cells[loss]["seeds"] for _, cells, _ in shared for loss in (BASELINE, OWN))
    own = (
        f"Test accuracy in the last of {' and of '.join(courses)}. `{OWN}` over cross-entropy in these "
        f"{len(gains)}: mean {points(statistics.fmean(gains))}, median "
        f"{points(statistics.median(gains))}, worst {points(min(gains))}; at least {seeds} seeds each, "
        "too few for differences of a point."
    )
    losses = (OWN, "evolved-base", "evolved-noise", "evolved-noise-strong", RIVAL)
    others = "; ".join(f"`{loss}` {_sentence(loss)}" for loss in losses)
    over_all = f"Mean and median over the committed conditions of each, which are not the same: {others}."
    return [
        *table(head, rows, "l" + "r" * (len(head) - 1)),
        "",
        own,
        "",
        over_all,
    ]


def _shared() -> list[tuple[str, dict[str, Any], float]]:
    """Title, cells by loss, and points of our loss, where it and cross-entropy have been run."""
    document, found = collect(), []
    for condition in document["conditions"]:
        if condition["study"] != STUDY:
            continue
        cells = {cell["loss"]: cell for cell in document["cells"] if cell["condition"] == condition["id"]}
        if BASELINE in cells and OWN in cells:
            found.append((condition["title"].removeprefix("CIFAR-10, "), cells, cells[OWN]["difference"]))
    return found


def _accuracy(cell: Mapping[str, Any] | None) -> str:
    return "not run" if cell is None else f"{cell['accuracy']:.1f}"


def _count(gains: Gains) -> str:
    return f"{len(gains.points)} conditions"


def _sentence(loss: str) -> str:
    gains = gains_in("all", loss)
    where, least = gains.worst
    told = f"{points(gains.mean)} and {points(gains.median)} over {len(gains.points)}"
    return f"{told}, worst {points(least)} ({where})"


PARTS: Mapping[tuple[str, str], Callable[[], list[str]]] = {CHOOSE: choose_table, RESULTS: results_table}
"""The marks of the README, and what stands between them."""


def filled(readme: str) -> str:
    """The README with its tables between their marks."""
    for (begin, end), made in PARTS.items():
        readme = replace_between(readme, begin, end, made())
    return readme


def main(options: ReadmeTables) -> None:
    """Print or write."""
    if options.write:
        write_text(README, filled(README.read_text(encoding="utf-8")))
    else:
        print("\n\n".join("\n".join(made()) for made in PARTS.values()))


if __name__ == "__main__":
    command.run(ReadmeTables, main)
