"""The subjects of the engine benchmark: our engine, the peers that can be started, and their agreement."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.speed.engine.workload import NETWORK, Work, first_batch
from benchmarks.speed.generations import Generations
from benchmarks.speed.peers.client import PEERS, Peer, PeerError
from benchmarks.speed.peers.formula import direct_fitness
from benchmarks.speed.peers.serving import Workload
from evoloss.fitness import RankingFitness, make_couples
from evoloss.random_streams import stream


class Subject(Protocol):
    """An engine that is timed."""

    def run(self, generations: int) -> float:
        """Seconds of so many generations."""

    def centres(self, generations: int, seed: int, every: int) -> npt.NDArray[np.float32]:
        """Centres of a fresh search, ``(generations // every, n_params)``."""

    def fitness(self, path: Path) -> npt.NDArray[np.float64]:
        """The fitness of a saved population on the first batch of the workload, NaN where rejected."""


class EvolossEngine:
    """The engine of this package.

    Args:
        work: the size of the work.
        directory: of the workload, for its starts and its first batch.
    """

    def __init__(self, work: Work, directory: Path) -> None:
        self.config = work.config
        self.starts = torch.from_numpy(np.load(directory / "starts.npy"))
        self.first = first_batch(directory)
        self.search = self.make_search(0)

    def make_search(self, seed: int) -> Generations:
        """A fresh search from the workload's start."""
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

    def centres(self, generations: int, seed: int, every: int) -> npt.NDArray[np.float32]:
        """See :class:`Subject`."""
        search, centres = self.make_search(seed), []
        for _ in range(generations // every):
            search.run(every)
            centres.append(search.mean.numpy().copy())
        search.close()
        return np.stack(centres)

    def fitness(self, path: Path) -> npt.NDArray[np.float64]:
        """See :class:`Subject`."""
        couples = make_couples(self.config.ranking, self.first, torch.Generator())
        fitness = RankingFitness(self.config.ranking, NETWORK, [couples])
        evaluation = fitness.evaluate(torch.from_numpy(np.load(path)))
        return (1 - evaluation.consistency).numpy()

    def close(self) -> None:
        """End the thread that draws."""
        self.search.close()


def start_peers(
    names: Sequence[str], python: Path, directory: Path, threads: int, stack: ExitStack
) -> tuple[dict[str, Peer], dict[str, str]]:
    """Start the peers that can be started.

    Args:
        names: of the peers.
        python: interpreter of the peers' environment; without it those that need none run under this one.
        directory: of the workload.
        threads: cores that each may use.
        stack: closes them.

    Returns:
        The peers by name, and the reasons for those that are missing.
    """
    peers, skipped = {}, {}
    for name in names:
        if PEERS[name].needs_environment and not python.exists():
            skipped[name] = f"no environment at {python.name}: run benchmarks/speed/peers/setup.sh"
            continue
        try:
            peer = Peer(python if python.exists() else Path(sys.executable), name, directory, threads)
        except PeerError as error:
            skipped[name] = str(error)
            continue
        stack.callback(peer.close)
        peers[name] = peer
    return peers, skipped


def check_agreement(subjects: Mapping[str, Subject], directory: Path) -> dict[str, float]:
    """The largest difference of the fitness of a small population to the formula in float64, by subject.

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
        accepted = ~np.isnan(difference)
        differences[name] = float(difference[accepted].max()) if accepted.mean() >= 0.5 else 1.0
    return differences
