"""The share of the machine's own rates that a generation reaches.

    python -m benchmarks.speed.roofline --out benchmarks/speed/results/bound.json

Counts the work of one generation (popsize 256, 4,096 fresh pairs, 10 classes, network 2-16-16-1, SNES):
products, activations, random numbers, bytes; measures the rate of each on one core of this machine, in the
same run and in turn with the search itself; and divides. The bound supposes that every piece runs at its
rate with nothing in between, and that two cores share the work evenly. ``share`` is the bound over the
measured time.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from benchmarks.harness import command
from benchmarks.harness.results import write_results
from benchmarks.harness.timing import alternate, print_rows, repeats_for, rows_of, target, timed
from benchmarks.speed.engine.workload import NETWORK
from benchmarks.speed.generations import Generations
from evoloss.networks import LossTable
from evoloss.pretraining import PretrainConfig

# The workload of benchmarks.speed.engine.
WORKLOAD = PretrainConfig(
    classes=(10,), pairs=4096, popsize=256, strategy="snes", sigma=0.1, couples_per_pair=1
)
GEMM, SIZE = 1024, 1 << 17  # side of the product, entries of the other arrays (half a megabyte: in cache)


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """Time generations and the machine's rates."""

    out: Path
    """File for the results."""
    rounds: int = 9
    """Rounds in which every rate and the search have their turn."""
    generations: int = 20
    """Generations a turn."""


@dataclass(frozen=True)
class Piece:
    """Work of one kind in a generation: ``amount`` units, of which a call of ``work`` does ``per_call``."""

    work: Callable[[], object]
    per_call: float
    amount: float


def pieces(popsize: int, n_pairs: int, n_classes: int, couples_per_pair: int) -> dict[str, Piece]:
    """The work of a generation by kind."""
    network = NETWORK
    table = LossTable(network)
    couples, columns, nodes = n_pairs * couples_per_pair, table.n_columns, 2 * table.n_grid
    widths = network.mlp.shapes
    generator = torch.Generator().manual_seed(0)
    square, result = torch.randn(GEMM, GEMM, generator=generator), torch.empty(GEMM, GEMM)
    values, made = torch.randn(SIZE, generator=generator), torch.empty(SIZE)
    entries = n_pairs * n_classes
    flops = 2.0 * popsize * (couples * columns + nodes * sum(a * b for a, b in widths))
    return {
        "products, FLOP": Piece(lambda: torch.mm(square, square, out=result), 2.0 * GEMM**3, flops),
        "activations": Piece(
            lambda: F.silu(values), SIZE, popsize * nodes * sum(width for _, width in widths[:-1])
        ),
        "normal numbers": Piece(
            lambda: made.normal_(generator=generator), SIZE, popsize * network.n_params + entries
        ),
        # Of every probability: exp and log1p for the softmax, log1p for its place on the grid.
        "exp or log1p": Piece(lambda: torch.exp(values, out=made), SIZE, 3 * entries),
        "scattered numbers": Piece(_scatter(generator), SIZE, 4 * entries),
        # Bytes in cache: signs of differences are read, written and read again to be summed; a couple's row
        # is the difference of two rows.
        "bytes": Piece(
            lambda: made.copy_(values), 8.0 * SIZE, 12.0 * popsize * couples + 12.0 * couples * columns
        ),
    }


def _scatter(generator: torch.Generator) -> Callable[[], object]:
    rows = torch.zeros(SIZE // 16, 32)
    at = torch.randint(32, (SIZE // 16, 16), generator=generator)
    values = torch.ones(SIZE // 16, 16)
    return lambda: rows.scatter_add_(1, at, values)


def main(options: Roofline) -> None:
    """Measure rates and search in turn, and write the file."""
    torch.set_num_threads(1)
    work = pieces(WORKLOAD.popsize, WORKLOAD.pairs, WORKLOAD.classes[0], WORKLOAD.couples_per_pair)
    search = Generations(WORKLOAD, NETWORK)
    subjects = {name: timed(piece.work, repeats_for(piece.work, 0.03)) for name, piece in work.items()}
    seconds = alternate(
        {"generation": lambda: search.run(options.generations), **subjects}, rounds=options.rounds, warmup=2
    )
    search.close()
    needed = {
        name: [piece.amount / piece.per_call * value for value in seconds[name]]
        for name, piece in work.items()
    }
    bounds = [sum(values) / 2 for values in zip(*needed.values(), strict=True)]
    rows = rows_of(
        "one generation", {"generation": seconds["generation"], "bound": bounds, **needed}, "generation"
    )
    print_rows(rows)
    share = statistics.median(bounds) / statistics.median(seconds["generation"])
    print(f"the bound is {share:.2f} of the measured time")
    targets = [
        target(
            "share of the machine's bound",
            0.5,
            share,
            at_least=True,
            reason="the rest is many small operations on a few thousand numbers each: drawing pairs of eight "
            "regimes, and the two threads share caches and memory",
        )
    ]
    rates = {name: piece.per_call / statistics.median(seconds[name]) for name, piece in work.items()}
    write_results(options.out, "bound", command.command_line(options), rows, targets, rates_per_second=rates)


if __name__ == "__main__":
    command.run(Roofline, main)
