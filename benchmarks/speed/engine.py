"""The pretraining engine against its peers, each at its best, on the same work.

    python -m benchmarks.speed.engine --out benchmarks/speed/results/engine.json

The work: one generation of SNES on ranking consistency, objective ``sign``; a population of networks
2-16-16-1 over ``log p / 4`` and the label flag, on every class of fresh pairs of 10 classes. Ours draws its
pairs within the time that counts; the peers are handed theirs (see
:mod:`benchmarks.speed.peers.serving`), which favours them.

Peers are programs of their own, run by the interpreter of the peers' environment (made by
``benchmarks/speed/peers/setup.sh``) and idle but in their turn. A peer whose fitness of a small population
differs from the formula in float64 by more than rounding explains is not timed. At the end, searches of equal
length from equal starts are compared: the ranking consistency of the centre of the search distribution,
judged in float64 on one batch that no search saw. Two things differ: ours sees fresh pairs in every
generation and the peers a cycle of batches, and ours gives the worst rank to candidates whose gradient points
the wrong way at the uniform prediction.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import tyro
from torch import Tensor

from benchmarks.harness.protocol import alternate, print_rows, rows_of, target, write_results
from benchmarks.speed.generations import Generations
from benchmarks.speed.peers.client import PEERS, ROOT, Peer, PeerError
from benchmarks.speed.peers.formula import direct_fitness
from benchmarks.speed.peers.serving import Workload, couple_order
from evoloss.fitness import RankingFitness, make_couples
from evoloss.networks import ClasswiseNetwork
from evoloss.networks.classwise import LOG_P_FLOOR
from evoloss.networks.mlp import PopulationMLP
from evoloss.pairs import Pairs, sample_pairs
from evoloss.pretraining import PretrainConfig
from evoloss.random_streams import stream

OURS = "evoloss"

Rows = list[dict[str, Any]]

LIMIT = 20.0  # times the generations of the fastest peer

_TOLERANCE = 1e-3  # share of couples that rounding in float32 may turn
_SHOWN = (25, 50, 100)


@dataclass(frozen=True, kw_only=True)
class EngineBenchmark:
    """What to time."""

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
    """Generations between two looks at the centre."""
    converge: tuple[str, ...] = ("evosax",)
    """Peers in the convergence check."""


@dataclass(frozen=True, kw_only=True)
class TwoFeatureNetwork(ClasswiseNetwork):
    """A classwise network that sees ``log p / 4`` and the label flag: the network of this benchmark."""

    @property
    def mlp(self) -> PopulationMLP:
        """The network without its features."""
        return PopulationMLP(2, tuple(self.hidden), self.activation)

    def inputs(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        """Feature rows ``(M, 2)`` at log-probabilities ``(M,)``."""
        flag = torch.as_tensor(is_label, dtype=log_p.dtype, device=log_p.device).expand_as(log_p)
        return torch.stack([log_p / 4, flag], dim=-1)

    def tangents(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        """The derivative of :meth:`inputs` with respect to log p, ``(M, 2)``."""
        return torch.stack([torch.full_like(log_p, 0.25), torch.zeros_like(log_p)], dim=-1)


NETWORK = TwoFeatureNetwork(hidden=(16, 16))


class Subject(Protocol):
    """Who is timed."""

    def run(self, generations: int) -> float:
        """Seconds of so many generations."""

    def centres(self, generations: int, seed: int, every: int) -> np.ndarray:
        """Centres of a fresh search, ``(generations // every, n_params)``."""

    def fitness(self, path: Path) -> np.ndarray:
        """The fitness of a saved population on the first batch of the workload, NaN where rejected."""


class OursSubject:
    """The product's engine.

    Args:
        options: the benchmark's.
        popsize: candidates a generation.
        workload: directory of the workload, for its starts and its first batch.
    """

    def __init__(self, options: EngineBenchmark, popsize: int, workload: Path) -> None:
        self.config = PretrainConfig(
            classes=(options.classes,),
            pairs=options.pairs,
            popsize=popsize,
            strategy="snes",
            sigma=options.sigma,
            objective="sign",
            couples_per_pair=options.couples_per_pair,
        )
        self.starts = torch.from_numpy(np.load(workload / "starts.npy"))
        self.first = first_batch(workload)
        self.search = self.make_search(0)

    def make_search(self, seed: int) -> Generations:
        """A fresh search from the workload's start; how the engine is put together is said here only."""
        search = Generations(replace(self.config, seed=seed), NETWORK)
        start = self.starts[seed % len(self.starts)]
        search.state = search.strategy.init(start, stream(seed, "strategy"))
        return search

    def run(self, generations: int) -> float:
        """Seconds of so many generations, with all their drawing."""
        start = time.perf_counter()
        self.search.run(generations)
        # The thread that draws is one generation ahead: wait for it, so that as many batches as generations
        # are drawn within the time, and nobody else's turn begins under it.
        self.search.lookahead.wait()
        return time.perf_counter() - start

    def centres(self, generations: int, seed: int, every: int) -> np.ndarray:
        """See :class:`Subject`."""
        search, rows = self.make_search(seed), []
        for _ in range(generations // every):
            search.run(every)
            rows.append(search.mean.numpy().copy())
        search.close()
        return np.stack(rows)

    def fitness(self, path: Path) -> np.ndarray:
        """See :class:`Subject`."""
        couples = make_couples(self.config.ranking, self.first, torch.Generator())
        evaluation = RankingFitness(self.config.ranking, NETWORK, [couples]).evaluate(
            torch.from_numpy(np.load(path))
        )
        return (1 - evaluation.consistency).numpy()

    def close(self) -> None:
        """End the thread that draws."""
        self.search.close()


def write_workload(options: EngineBenchmark, popsize: int, directory: Path) -> None:
    """Write what :class:`benchmarks.speed.peers.serving.Workload` reads."""
    drawn = [draw(options, "batch", position) for position in range(options.batches)]
    np.save(directory / "log_probs.npy", torch.stack([each.log_probs for each in drawn]).numpy())
    np.save(directory / "target.npy", torch.stack([each.target for each in drawn]).numpy())
    starts = [make_start(options.classes, seed) for seed in range(max(1, options.seeds))]
    np.save(directory / "starts.npy", torch.stack(starts).numpy())
    sizes = {
        "popsize": popsize,
        "sigma": options.sigma,
        "hidden": NETWORK.hidden[0],
        "couples_per_pair": options.couples_per_pair,
    }
    (directory / "workload.json").write_text(json.dumps(sizes))


def draw(options: EngineBenchmark, *labels: str | int) -> Pairs:
    """A batch of pairs with log-probabilities cut at the floor, where ours has its network end.

    Ours goes on below it by a rule of its own (see :mod:`evoloss.networks.classwise`), which the peers are
    spared.
    """
    generator = stream(0, "engine benchmark", *labels)
    pairs = sample_pairs(PretrainConfig().pairs_mixture, options.pairs, options.classes, generator)
    return replace(pairs, log_probs=pairs.log_probs.clamp(min=LOG_P_FLOOR))


def make_start(n_classes: int, seed: int) -> Tensor:
    """A random start, with the sign of the last layer that lets it push the label's probability up."""
    start = NETWORK.initial(stream(seed, "engine benchmark", "start"))
    if not bool(NETWORK.form(start[None], n_classes).exists):
        start[-NETWORK.hidden[-1] :] *= -1
    return start


def first_batch(directory: Path) -> Pairs:
    """The first batch of a workload."""
    log_probs, target = (np.load(directory / f"{name}.npy")[0] for name in ("log_probs", "target"))
    return Pairs(torch.from_numpy(log_probs), torch.from_numpy(target), torch.zeros(len(target)))


def check_agreement(subjects: Mapping[str, Subject], directory: Path) -> dict[str, float]:
    """By how much the fitness of a small population differs from the formula in float64, at most.

    Every subject answers; whether a difference is too large is for the caller to say.
    """
    workload = Workload.read(directory)
    generator = np.random.default_rng(0)
    start = workload.starts[generator.integers(len(workload.starts), size=24)]
    noise = generator.standard_normal(start.shape) * workload.sigma
    population = (start + noise).astype(np.float32)
    path = directory / "population.npy"
    np.save(path, population)
    expected = direct_fitness(workload, population)
    differences = {}
    for name, subject in subjects.items():
        difference = np.abs(subject.fitness(path) - expected)
        seen = ~np.isnan(difference)
        differences[name] = float(difference[seen].max()) if seen.mean() >= 0.5 else 1.0
    return differences


def start_peers(
    options: EngineBenchmark, directory: Path, stack: ExitStack, skipped: dict[str, str]
) -> dict[str, Peer]:
    """Start the peers that there are; the others are named, with the reason, on standard output too."""
    there = options.peers_python.exists()
    peers: dict[str, Peer] = {}
    for name in options.peers:
        if PEERS[name][2] and not there:
            skipped[name] = (
                f"no environment at {options.peers_python.name}: run benchmarks/speed/peers/setup.sh"
            )
        else:
            python = options.peers_python if there else Path(sys.executable)
            try:
                peers[name] = Peer(python, name, directory, options.threads)
                stack.callback(peers[name].close)
            except PeerError as error:
                skipped[name] = str(error)
        if name in skipped:
            print(f"SKIPPED {name}: {skipped[name]}", flush=True)
    return peers


def turn_of(subject: Subject, seconds: float) -> Callable[[], float]:
    """A turn of about so many seconds, which returns the seconds of one generation."""
    generations = max(2, round(2 * seconds / subject.run(2)))
    return lambda: subject.run(generations) / generations


def converge(options: EngineBenchmark, subjects: Mapping[str, Subject], directory: Path) -> dict[str, Any]:
    """Ranking consistency of the centre on a held-out batch, over seeds."""
    held_out = draw(options, "held out")
    log_probs, target = held_out.log_probs.numpy()[None], held_out.target.numpy()[None]
    judge = replace(
        Workload.read(directory),
        scaled=log_probs / np.float32(4),
        flag=(np.arange(options.classes) == target[..., None]).astype(np.float32),
        order=couple_order(log_probs, target, options.couples_per_pair),
    )
    looks = list(range(options.every, options.generations + 1, options.every))
    result: dict[str, Any] = {}
    for name, subject in subjects.items():
        scores = np.array(
            [
                1 - direct_fitness(judge, subject.centres(options.generations, seed, options.every))
                for seed in range(options.seeds)
            ]
        )
        result[name] = {
            "mean": scores.mean(axis=0).tolist(),
            "std": scores.std(axis=0, ddof=min(1, options.seeds - 1)).tolist(),
            "by_seed": scores.tolist(),
        }
        shown = [look for look in _SHOWN if look in looks] or looks[-1:]
        at = [looks.index(look) for look in shown]
        line = "   ".join(
            f"{look}: {result[name]['mean'][i]:.4f} ± {result[name]['std'][i]:.4f}"
            for look, i in zip(shown, at, strict=True)
        )
        print(f"consistency of {name:<20} after generations {line}", flush=True)
    return {"generations": looks, "pairs": options.pairs, "subjects": result}


def measure(
    options: EngineBenchmark, popsize: int, facts: dict[str, Any], last: bool
) -> list[dict[str, Any]]:
    """Time one case, and after the last one look at the convergence."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_workload(options, popsize, directory)
        ours = OursSubject(options, popsize, directory)
        stack.callback(ours.close)
        peers = start_peers(options, directory, stack, facts["skipped"])
        subjects: dict[str, Subject] = {OURS: ours, **peers}
        differences = check_agreement(subjects, directory)
        facts["agreement"] = differences
        facts["versions"] |= {name: peer.versions for name, peer in peers.items()}
        for name, difference in differences.items():
            if difference <= _TOLERANCE:
                continue
            reason = f"its fitness is off by {difference:.2g}"
            if name == OURS:
                raise SystemExit(f"{name}: {reason}")
            facts["skipped"][name] = reason
            print(f"REFUSED {name}: {reason}", flush=True)
            del subjects[name]
        turns = {name: turn_of(subject, options.seconds) for name, subject in subjects.items()}
        seconds = alternate(turns, rounds=options.rounds)
        case = f"popsize {popsize}, {options.pairs} pairs, {options.couples_per_pair} couples each"
        rows = rows_of(case, seconds, OURS)
        print_rows(rows)
        if last and options.seeds:
            chosen = {name: subjects[name] for name in (OURS, *options.converge) if name in subjects}
            facts["convergence"] = converge(options, chosen, directory)
    return rows


def main(options: EngineBenchmark) -> None:
    """Time every case and write the file."""
    if unknown := set(options.peers) - set(PEERS):
        raise SystemExit(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    torch.set_num_threads(options.own_threads or max(1, options.threads - 1))
    facts: dict[str, Any] = {"skipped": {}, "versions": {}}
    rows: Rows = []
    for popsize in options.popsizes:
        rows += measure(options, popsize, facts, last=popsize == options.popsizes[-1])
    facts["fastest_peer"] = [fastest_peer(rows, popsize) for popsize in options.popsizes]
    command = f"python -m benchmarks.speed.engine --out {options.out.name} --rounds {options.rounds}"
    command = f"{command} --threads {options.threads} --couples-per-pair {options.couples_per_pair}"
    write_results(options.out, "engine", command, rows, goals(facts, options.couples_per_pair), **facts)


def goals(facts: Mapping[str, Any], couples_per_pair: int) -> Rows:
    """What was to be reached, where a peer was there to be measured."""
    return [
        target(
            f"times the generations of the fastest peer ({each['peer']}), popsize {each['popsize']}, "
            f"couples per pair {couples_per_pair}",
            LIMIT,
            each["times_ours"],
            at_least=True,
            reason="evosax, with an exponential and a device a core that were written for this benchmark, "
            "takes half the time of the fastest way known before; small operations (tables, strategy, two "
            "threads that share an interpreter) take more of ours than the product does",
        )
        for each in facts["fastest_peer"]
        if each["peer"] is not None
    ]


def fastest_peer(rows: Sequence[Mapping[str, Any]], popsize: int) -> dict[str, Any]:
    """The peer with the least seconds of a case, and how many times ours they are."""
    peers = [row for row in rows if row["subject"] != OURS and row["case"].startswith(f"popsize {popsize},")]
    if not peers:
        return {"popsize": popsize, "peer": None}
    row = min(peers, key=lambda row: row["seconds"])
    return {"popsize": popsize, "peer": row["subject"], "times_ours": row["ratio"]}


if __name__ == "__main__":
    main(tyro.cli(EngineBenchmark, description=__doc__))
