"""What the study of boosting found, in the pages that tell it: tables and figures from its files."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.boosting.conditions import LOSSES, NOISE, OWN, TABLES, TOOLS
from benchmarks.harness.markdown import numbers_table, points_text
from benchmarks.harness.page import DOCS, replace_between
from benchmarks.harness.results import read_record
from evoloss.atomic_files import write_text
from evoloss.compare.inference import t_interval

MARKS = "<!-- boosting: python -m benchmarks.boosting.run --write -->", "<!-- boosting end -->"
SHORT_MARKS = MARKS[0].replace("boosting:", "boosting in short:"), "<!-- boosting in short end -->"
README = Path(__file__).parent / "README.md"
FRAMEWORKS = DOCS / "how-to/frameworks.md"
NOTEBOOK = DOCS / "notebook/44-losses-for-trees.md"
NAMES = {"xgboost": "XGBoost", "lightgbm": "LightGBM"}
NOTHING = "–"

Record = Mapping[str, Any]


class Group(NamedTuple):
    """Conditions and losses that are told of in one line.

    Attributes:
        words: for people.
        losses: of the differences.
        tables: likewise.
        noise: likewise.
    """

    words: str
    losses: tuple[str, ...]
    tables: tuple[str, ...] = TABLES
    noise: tuple[float, ...] = NOISE


_ROBUST = ("gce", "evolved-noise", "evolved-noise-strong")
_MANY = ("digit_features", "letter")
_TOLD = "GCE and the `evolved-noise` losses"
GROUPS = (
    Group(f"{_TOLD}, 10 and 26 classes, 40 % wrong labels", _ROBUST, _MANY, (0.4,)),
    Group("the same, 20 %", _ROBUST, _MANY, (0.2,)),
    Group("`adaptive`, 10 and 26 classes, 20 and 40 %", ("adaptive",), _MANY, (0.2, 0.4)),
    Group(f"{_TOLD}, 2 classes, 20 and 40 %", _ROBUST, ("breast_cancer",), (0.2, 0.4)),
    Group(f"{_TOLD}, right labels, all four tables", _ROBUST, TABLES, (0.0,)),
    Group("`adaptive` and `evolved-base`, right labels", ("adaptive", "evolved-base"), TABLES, (0.0,)),
    Group("all losses, diamonds (5 classes)", LOSSES[1:], ("diamonds",)),
    Group('`cross_entropy` with `hessian="abs"`, everywhere', ("cross_entropy",)),
)


def differences(record: Record, table: str, noise: float, loss: str, value: str) -> list[float]:
    """Points over the library's own objective, a seed each."""
    runs = {
        (run["loss"], run["seed"]): run[value]
        for run in record.values()
        if (run["table"], run["noise"]) == (table, noise)
    }
    return [
        found - runs[OWN, seed]
        for (name, seed), found in sorted(runs.items())
        if name == loss and (OWN, seed) in runs
    ]


def tables(folder: Path) -> list[str]:
    """The tables of the README, one a library: points over its own objective."""
    lines: list[str] = []
    for tool in TOOLS:
        record = read_record(folder / f"{tool}.json")
        if not record:
            continue
        losses = [name for name in LOSSES if any(run["loss"] == name for run in record.values())]
        rows = []
        for table in TABLES:
            for noise in NOISE:
                own = _accuracies(record, table, noise)
                if own:
                    cells = [_told(differences(record, table, noise, loss, _TEST)) for loss in losses[1:]]
                    mean = f"{statistics.fmean(own):.1f}"
                    rows.append([f"{table}, {noise:.0%}", str(len(own)), mean, *cells])
        rows += [[name, "", "", *cells] for name, cells in _over_conditions(record, losses[1:]).items()]
        heads = ["table, noise", "seeds", OWN, *losses[1:]]
        lines += [f"**{NAMES[tool]}**", "", *numbers_table(heads, rows), ""]
    return lines[:-1]


_TEST = "test_accuracy"


def _accuracies(record: Record, table: str, noise: float) -> list[float]:
    """Those of the library's own objective, a seed each."""
    where = (table, noise, OWN)
    return [run[_TEST] for run in record.values() if (run["table"], run["noise"], run["loss"]) == where]


def _told(found: list[float]) -> str:
    if not found:
        return NOTHING
    interval = t_interval(found)
    return points_text(statistics.fmean(found), None if interval is None else (interval[1] - interval[0]) / 2)


def _over_conditions(record: Record, losses: Sequence[str]) -> dict[str, list[str]]:
    """Mean, median and worst of the means of the conditions, by loss."""
    made: dict[str, list[str]] = {"mean": [], "median": [], "worst": []}
    for loss in losses:
        means = [statistics.fmean(found) for found in _found(record, Group("", (loss,)))]
        for name, of in (("mean", statistics.fmean), ("median", statistics.median), ("worst", min)):
            made[name].append(f"{of(means):+.1f}" if means else NOTHING)
    return made


def _found(record: Record, group: Group) -> Iterator[list[float]]:
    """The differences of each loss of a group in each of its conditions, those that are there."""
    for table in group.tables:
        for noise in group.noise:
            for loss in group.losses:
                found = differences(record, table, noise, loss, _TEST)
                if found:
                    yield found


def in_short(folder: Path) -> list[str]:
    """A table of groups of conditions: lowest and highest mean difference, and how many exclude 0."""
    records = [read_record(folder / f"{tool}.json") for tool in TOOLS]
    rows = [[group.words, *(_span(list(_found(record, group))) for record in records)] for group in GROUPS]
    rows.append([f"{_TOLD}, medians over all conditions", *map(_medians, records)])
    rows.append(["seeds of a condition", *map(_seeds, records)])
    heads = ["points over the library's own objective", *(NAMES[tool] for tool in TOOLS)]
    return numbers_table(heads, rows)


def _span(found: Sequence[list[float]]) -> str:
    if not found:
        return NOTHING
    means = [f"{statistics.fmean(one):+.1f}" for one in sorted(found, key=statistics.fmean)]
    intervals = [t_interval(one) for one in found]
    certain = sum(ends is not None and (ends[0] > 0 or ends[1] < 0) for ends in intervals)
    return f"{means[0]} to {means[-1]} ({certain} of {len(found)})"


def _medians(record: Record) -> str:
    """The lowest and the highest median of the losses that resist noise."""
    found = [[statistics.fmean(one) for one in _found(record, Group("", (loss,)))] for loss in _ROBUST]
    medians = sorted(statistics.median(means) for means in found if means)
    return f"{medians[0]:+.1f} to {medians[-1]:+.1f}" if medians else NOTHING


def _seeds(record: Record) -> str:
    counts = [len(_accuracies(record, table, noise)) for table in TABLES for noise in NOISE]
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def in_the_notebook(folder: Path) -> list[str]:
    """The sentence of the notebook: digits with 40 %, where the entry looked at two seeds."""
    record = read_record(folder / "xgboost.json")
    losses = ("adaptive", "evolved-noise-strong", "gce")
    found = {loss: differences(record, "digit_features", 0.4, loss, _TEST) for loss in losses}
    told = ", ".join(f"`{loss}` {_told(values)}" for loss, values in found.items())
    seeds = min(map(len, found.values()))
    return [
        "In the study, where rounds are chosen on noisy validation labels, on digits with 40 % wrong ones:",
        f"{told} ({seeds} seeds).",
    ]


PAGES: tuple[tuple[Path, tuple[str, str], Callable[[Path], list[str]]], ...] = (
    (README, MARKS, tables),
    (README, SHORT_MARKS, in_short),
    (FRAMEWORKS, SHORT_MARKS, in_short),
    (NOTEBOOK, SHORT_MARKS, in_the_notebook),
)
"""The parts of pages that are written: where, between which marks, and from what."""


SEARCH_MARKS = "<!-- trees: python -m benchmarks.boosting.evolve_trees --write -->", "<!-- trees end -->"
SEARCH_NOTEBOOK = DOCS / "notebook/45-a-loss-evolved-for-trees.md"
SEARCHED = {
    "evolved-trees": "evolved, its own hessian",
    "evolved-trees, abs": 'evolved, `"abs"`',
    "evolved-trees, softmax": 'evolved, `"softmax"`',
    "start": "start of the search",
    "cross_entropy": 'cross-entropy, `"abs"`',
    "gce": "GCE",
    "evolved-noise": "`evolved-noise`",
    "evolved-noise-strong": "`evolved-noise-strong`",
}


def of_the_search(record: Record) -> list[str]:
    """The table of what was evolved for trees, on fresh synthetic tasks and on real tables."""
    real = [entry for name, entry in record.items() if name.startswith("real ")]
    columns = {"synthetic": [entry for name, entry in record.items() if name.startswith("fresh ")]}
    columns["real"] = real
    columns |= {f"{noise:.0%}": [entry for entry in real if entry["noise"] == noise] for noise in NOISE}
    rows = [["tasks or trainings", *(str(len(entries)) for entries in columns.values())]]
    rows += [
        [
            words,
            *(
                _told([one["accuracy"][name] - one["accuracy"][OWN] for one in entries])
                for entries in columns.values()
            ),
        ]
        for name, words in SEARCHED.items()
    ]
    own = [
        f"{statistics.fmean(one['accuracy'][OWN] for one in entries):.1f}" if entries else NOTHING
        for entries in columns.values()
    ]
    return numbers_table(
        ["points over XGBoost's own objective", *columns], [*rows, ["accuracy of that", *own]]
    )


def write_search(path: Path) -> None:
    """Write what the search for trees found into its entry of the notebook."""
    text = SEARCH_NOTEBOOK.read_text(encoding="utf-8")
    write_text(SEARCH_NOTEBOOK, replace_between(text, *SEARCH_MARKS, of_the_search(read_record(path))))


def write_pages(folder: Path) -> None:
    """Write what the files of a folder say into the pages."""
    for path, marks, lines in PAGES:
        write_text(path, replace_between(path.read_text(encoding="utf-8"), *marks, lines(folder)))
