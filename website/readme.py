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
from website.choices import gains_in, gains_where_all_ran
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
        "shuffled epochs of two batches or more; a new criterion for each training",
    ),
    (
        "Labels are mostly right: experts, a measurement",
        'from_pretrained("evolved-base")',
        "evolved-base",
        "nothing; cross-entropy does as well",
    ),
    (
        "You checked some, a quarter or more are wrong; a table, or a few thousand images",
        'from_pretrained("evolved-noise-strong")',
        "evolved-noise-strong",
        "batches of 32 or more",
    ),
)


@dataclass(frozen=True, kw_only=True)
class ReadmeTables:
    """Print the tables, or write them into the README."""

    write: bool = False
    """Replace what stands between the marks in README.md."""


def choose_table() -> list[str]:
    """Losses by what one knows before training, with what they gained and cost."""
    losses = [loss for *_, loss, _ in _ROWS]
    wrong, right = (gains_where_all_ran(situation, losses) for situation in ("wrong-labels", "right-labels"))
    rows = [
        [known, f"`{written}`", *(f"{points(one.median)} ({points(one.mean)})" for one in pair), needs]
        for (known, written, _, needs), *pair in zip(_ROWS, wrong, right, strict=True)
    ]
    head = [
        "you know",
        "write `EvolvedLoss.` ...",
        f"wrong labels, {len(wrong[0].points)} conditions",
        f"right labels, {len(right[0].points)}",
        "it needs",
    ]
    return [*table(head, rows, "lllll"), "", _own_regime()]


def _own_regime() -> str:
    """What a loss gave that was evolved for a regime, and the best of the others."""
    own, others, seeds = [], [], set()
    for folder, name in SETS.items():
        rows = Results.read(EVOLVED / folder / FILE_NAME).summary
        (row,) = [row for row in rows if row.loss.startswith("own-")]
        own.append(f"{points(row.mean_difference)} on {name}")
        best = max((other for other in rows if other is not row), key=lambda other: other.mean_difference)
        others.append(f"`{best.loss}`, the best of {len(rows) - 1} others, {points(best.mean_difference)}")
        seeds.add(row.n_seeds)
    command = (
        "evoloss evolve --out mine --for noise --classes 3 --samples 100-400 --features 13 --noise 0.2-0.5 "
        "--budget 10m"
    )
    told = " and ".join(f"{gain} ({other})" for gain, other in zip(own, others, strict=True))
    return (
        f"**[Your own regime](docs/evolve.md)**: `{command}` makes a loss for it, "
        '`from_pretrained("mine")` loads it. With 40 % wrong labels that one gave '
        f"{told}: MLP, default rate, {min(seeds)} seeds. Where every loss has a rate of its own, expect a "
        "few points."
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
