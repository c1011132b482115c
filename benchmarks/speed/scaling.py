"""The cost of a generation against popsize, pairs and classes, and against the sizes of pieces.

    python -m benchmarks.speed.scaling --out benchmarks/speed/results/scaling.json

Each series varies one number of a base configuration (popsize 256, 1,024 pairs, 10 classes, network of two
hidden layers of 16, SNES); the points of a series take turns in every round. Further series time 1,000
classes with and without grouping, and the base with other chunk sizes, grids and couples per pair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from unittest import mock

import torch

from benchmarks.harness import command
from benchmarks.harness.results import write_results
from benchmarks.harness.timing import Rows, alternate, print_rows, rows_of
from benchmarks.speed.generations import Generations
from evoloss.pretraining import PretrainConfig

BASE = PretrainConfig(
    classes=(10,), pairs=1024, popsize=256, hidden=(16, 16), strategy="snes", sigma=0.1, couples_per_pair=4
)
POPSIZES = (64, 128, 256, 512, 1024)
PAIRS = (256, 512, 1024, 2048, 4096)
CLASSES = (10, 32, 100, 1000, 10_000)
EVERY_CLASS = (10, 100, 1000)
CHUNKS = (1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22)
GRIDS = (16, 24, 32, 48, 64, 128)
COUPLES = (1, 2, 4, 8)


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Time generations of growing size."""

    out: Path
    """File for the results."""
    rounds: int = 7
    """Rounds in which every point of a series has its turn."""
    generations: int = 8
    """Generations a turn, whole blocks where they are longer."""
    threads: int = 1
    """Threads of the evaluating thread; another one draws."""


def series(configs: Mapping[str, PretrainConfig], base: str, options: Scaling, case: str) -> Rows:
    """Time the points of one series in turn."""
    searches = {name: Generations(config) for name, config in configs.items()}
    turns = {name: max(options.generations, search.lookahead.length) for name, search in searches.items()}
    subjects = {name: partial(search.run, turns[name]) for name, search in searches.items()}
    seconds = alternate(subjects, rounds=options.rounds)
    for search in searches.values():
        search.close()
    rows = rows_of(case, seconds, base)
    print_rows(rows)
    return rows


def chunk_series(options: Scaling) -> Rows:
    """Time the base with other sizes of a piece of work."""
    searches, seconds = Generations(BASE), {}
    subjects = {}
    for chunk in CHUNKS:

        def subject(chunk: int = chunk) -> float:
            with mock.patch(
                "evoloss.fitness.ranking.chunk_rows", lambda elements: max(1, chunk // max(1, elements))
            ):
                return searches.run(options.generations)

        subjects[f"chunk {chunk}"] = subject
    seconds = alternate(subjects, rounds=options.rounds)
    searches.close()
    rows = rows_of("chunk size", seconds, f"chunk {1 << 18}")
    print_rows(rows)
    return rows


def exponent(rows: Rows, sizes: tuple[int, ...]) -> float:
    """Slope of log seconds over log size between the last two points: 1 is linear, 0 is flat."""
    (low, high), (small, large) = (row["seconds"] for row in rows[-2:]), sizes[-2:]
    return math.log(high / low) / math.log(large / small)


def main(options: Scaling) -> None:
    """Time every series and write the file."""
    torch.set_num_threads(options.threads)
    by_popsize = series(
        {f"popsize {n}": replace(BASE, popsize=n) for n in POPSIZES}, "popsize 256", options, "popsize"
    )
    by_pairs = series({f"pairs {n}": replace(BASE, pairs=n) for n in PAIRS}, "pairs 1024", options, "pairs")
    by_classes = series(
        {f"classes {n}": replace(BASE, classes=(n,)) for n in CLASSES}, "classes 10", options, "classes"
    )
    every = series(
        {f"classes {n}": replace(BASE, classes=(n,), slots=0) for n in EVERY_CLASS},
        "classes 10",
        options,
        "every class drawn",
    )
    grids = series({f"nodes {n}": replace(BASE, n_grid=n) for n in GRIDS}, "nodes 32", options, "grid")
    couples = series(
        {f"couples {n}": replace(BASE, couples_per_pair=n) for n in COUPLES}, "couples 4", options, "couples"
    )
    rows = [*by_popsize, *by_pairs, *by_classes, *every, *grids, *couples, *chunk_series(options)]
    exponents = {
        "popsize": exponent(by_popsize, POPSIZES),
        "pairs": exponent(by_pairs, PAIRS),
        "classes": exponent(by_classes, CLASSES),
        "every class drawn": exponent(every, EVERY_CLASS),
    }
    print({name: round(value, 2) for name, value in exponents.items()})
    write_results(options.out, "scaling", command.command_line(options), rows, exponents=exponents)


if __name__ == "__main__":
    command.run(Scaling, main)
