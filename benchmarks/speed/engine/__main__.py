"""The pretraining engine against its peers, each at its best, on the same work.

    python -m benchmarks.speed.engine --out benchmarks/speed/results/engine.json

The work: one generation of SNES on ranking consistency, objective ``sign``; a population of networks
2-16-16-1 over ``log p / 4`` and the label flag, on every class of fresh pairs of 10 classes. Ours draws its
pairs within the time that counts; the peers are handed theirs (see
:mod:`benchmarks.speed.peers.serving`), which favours them.

Peers are programs of their own, run by the interpreter of the peers' environment (made by
``benchmarks/speed/peers/setup.sh``) and idle but in their turn. A peer whose fitness of a small population
differs from the formula in float64 by more than rounding explains is not timed. At the end, searches of equal
length from equal starts are compared: the ranking consistency of the centre of the search distribution, in
float64 on one batch that no search saw. Two things differ: ours sees fresh pairs in every generation and the
peers a cycle of batches, and ours gives the worst rank to candidates whose gradient points the wrong way at
the uniform prediction.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import command
from benchmarks.harness.results import write_results
from benchmarks.harness.timing import Rows, alternate, print_rows, rows_of, target
from benchmarks.speed.engine.convergence import compare_convergence
from benchmarks.speed.engine.subjects import EvolossEngine, Subject, check_agreement, start_peers
from benchmarks.speed.engine.workload import Work, write_workload
from benchmarks.speed.peers.client import PEERS, ROOT
from evoloss.errors import UnknownNameError

OURS = "evoloss"
LIMIT = 20.0  # times the generations of the fastest peer
TOLERANCE = 1e-3  # share of couples that rounding in float32 may turn


@dataclass(frozen=True, kw_only=True)
class EngineBenchmark:
    """Time generations."""

    out: Path
    """File for the results."""
    peers_python: Path = ROOT / ".venv-peers/bin/python"
    """Interpreter of the peers' environment."""
    peers: tuple[str, ...] = tuple(PEERS)
    """Peers to time."""
    rounds: int = 7
    """Rounds in which everybody has a turn."""
    seconds: float = 2.0
    """Time for each turn, about; a turn has two generations at least."""
    threads: int = 2
    """Cores that everybody may use."""
    own_threads: int | None = None
    """Threads of our evaluation, beside the one that draws; one less than cores, or one, if not given."""
    popsizes: tuple[int, ...] = (256,)
    """Candidates a generation, a case each."""
    pairs: int = 4096
    """Pairs a generation."""
    classes: int = 10
    """Class count."""
    couples_per_pair: int = 1
    """Each pair is compared with so many others. Our product grows with it; what the peers do hardly does."""
    sigma: float = 0.3
    """First step size."""
    batches: int = 32
    """Batches of pairs that the peers use in turn."""
    seeds: int = 10
    """Searches of the convergence check; 0 leaves it out."""
    generations: int = 50
    """Generations of each of them."""
    every: int = 5
    """Generations between two measurements of the centre."""
    converge: tuple[str, ...] = ("evosax",)
    """Peers in the convergence check."""

    def __post_init__(self) -> None:
        for name in (*self.peers, *self.converge):
            if name not in PEERS:
                raise UnknownNameError.among("peer", name, PEERS)

    def work(self, popsize: int) -> Work:
        """The work of one case."""
        return Work(
            popsize=popsize,
            pairs=self.pairs,
            classes=self.classes,
            couples_per_pair=self.couples_per_pair,
            sigma=self.sigma,
            batches=self.batches,
            starts=max(1, self.seeds),
        )


def main(options: EngineBenchmark) -> None:
    """Time every case and write the file."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    torch.set_num_threads(options.own_threads or max(1, options.threads - 1))
    facts: dict[str, Any] = {"skipped": {}, "versions": {}}
    rows: Rows = []
    for popsize in options.popsizes:
        rows += measure(options, popsize, facts, last=popsize == options.popsizes[-1])
    facts["fastest_peer"] = [fastest_peer(rows, popsize) for popsize in options.popsizes]
    targets = targets_of(facts, options.couples_per_pair)
    write_results(options.out, "engine", command.command_line(options), rows, targets, **facts)


def measure(options: EngineBenchmark, popsize: int, facts: dict[str, Any], last: bool) -> Rows:
    """Time one case, and after the last one compare the convergence."""
    work = options.work(popsize)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_workload(work, directory)
        ours = EvolossEngine(work, directory)
        stack.callback(ours.close)
        peers, skipped = start_peers(options.peers, options.peers_python, directory, options.threads, stack)
        subjects: dict[str, Subject] = {OURS: ours, **peers}
        facts["agreement"] = check_agreement(subjects, directory)
        facts["versions"] |= {name: peer.versions for name, peer in peers.items()}
        for name, difference in facts["agreement"].items():
            if difference > TOLERANCE:
                skipped[name] = f"its fitness is off by {difference:.2g}"
                del subjects[name]
        for name, reason in skipped.items():
            print(f"SKIPPED {name}: {reason}", flush=True)
        if OURS in skipped:
            raise SystemExit(f"{OURS}: {skipped[OURS]}")
        facts["skipped"] |= skipped
        turns = {name: turn_of(subject, options.seconds) for name, subject in subjects.items()}
        case = f"popsize {popsize}, {options.pairs} pairs, {options.couples_per_pair} couples each"
        rows = rows_of(case, alternate(turns, rounds=options.rounds), OURS)
        print_rows(rows)
        if last and options.seeds:
            chosen = {name: subjects[name] for name in (OURS, *options.converge) if name in subjects}
            lengths = {"seeds": options.seeds, "generations": options.generations, "every": options.every}
            facts["convergence"] = compare_convergence(work, chosen, directory, **lengths)
    return rows


def turn_of(subject: Subject, seconds: float) -> Callable[[], float]:
    """A turn of about so many seconds, which returns the seconds of one generation."""
    generations = max(2, round(2 * seconds / subject.run(2)))
    return lambda: subject.run(generations) / generations


def targets_of(facts: Mapping[str, Any], couples_per_pair: int) -> Rows:
    """The target of each case, where a peer was there to be measured."""
    return [
        target(
            f"times the generations of the fastest peer ({fastest['peer']}), popsize {fastest['popsize']}, "
            f"couples per pair {couples_per_pair}",
            LIMIT,
            fastest["times_ours"],
            at_least=True,
            reason="evosax, with an exponential and a device a core that were written for this benchmark, "
            "takes half the time of the fastest way known before; small operations (tables, strategy, two "
            "threads that share an interpreter) take more of ours than the product does",
        )
        for fastest in facts["fastest_peer"]
        if fastest["peer"] is not None
    ]


def fastest_peer(rows: Sequence[Mapping[str, Any]], popsize: int) -> dict[str, Any]:
    """The peer with the least seconds of a case, and how many times ours they are."""
    peers = [row for row in rows if row["subject"] != OURS and row["case"].startswith(f"popsize {popsize},")]
    if not peers:
        return {"popsize": popsize, "peer": None}
    row = min(peers, key=lambda row: row["seconds"])
    return {"popsize": popsize, "peer": row["subject"], "times_ours": row["ratio"]}


if __name__ == "__main__":
    command.run(EngineBenchmark, main)
