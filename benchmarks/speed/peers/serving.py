"""The shared part of all peers: the workload they read, the line protocol they answer. Needs numpy only.

A workload is a directory with ``workload.json`` (sizes, see :class:`Workload`) and

- ``log_probs.npy`` ``(B, N, C)`` float32 and ``target.npy`` ``(B, N)`` int64: batches of pairs, used in turn,
  one a generation, so that *drawing pairs is not charged to the peers*, which favours them; neither are the
  features and the order of the couples, which are made here once;
- ``starts.npy`` ``(S, n_params)`` float32: start means; a search with seed s starts at ``starts[s % S]``.

The objective: couples are pair i and pair ``(i + s) % N`` for s from 1 to ``couples_per_pair``. A couple is
right if the pair with the smaller ``log p_y`` has the larger loss; couples with equal ``log p_y`` do not
count, equal losses count half. Fitness, minimised, is one minus the share that is right. A loss is
``sum_j phi(log p_j / 4, [j = y])`` with a multi-layer perceptron phi of two hidden layers and SiLU; the flat
parameters hold, layer by layer, the weights ``(fan_in, fan_out)`` row by row, then the biases; the output has
none.

The protocol: one command a line on standard input, one JSON object a line on standard output.

- (at the start) ``{"ready": true, "versions": {...}}``, after everything is compiled;
- ``run G``: a fresh search of G generations; ``{"seconds": ...}`` of all of them;
- ``centres G SEED EVERY``: a fresh search; the centre of the search distribution after every EVERY
  generations, ``{"generations": [...], "centres": [[...], ...]}``;
- ``fitness FILE.npy``: the fitness of a population ``(P, n_params)`` on the first batch,
  ``{"fitness": [...]}``;
- ``quit``, or the end of the input.

A command that fails is answered with ``{"error": "..."}``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Workload:
    """The work of one generation, prepared as far as it is the same for all candidates.

    Attributes:
        popsize: candidates a generation.
        sigma: first step size.
        hidden: width of both hidden layers.
        scaled: ``log p / 4``, shape ``(B, N, C)``.
        flag: 1 where the class is the label, ``(B, N, C)``.
        order: for shift s and pair i the sign of ``error[i] - error[(i + s) % N]``, ``(B, S, N)``.
        starts: start means, ``(n_starts, n_params)``.
    """

    popsize: int
    sigma: float
    hidden: int
    scaled: Array
    flag: Array
    order: Array
    starts: Array

    @classmethod
    def read(cls, directory: Path) -> Workload:
        """Read a workload from its directory."""
        sizes = json.loads((directory / "workload.json").read_text())
        log_probs, target = np.load(directory / "log_probs.npy"), np.load(directory / "target.npy")
        return cls(
            popsize=sizes["popsize"],
            sigma=sizes["sigma"],
            hidden=sizes["hidden"],
            scaled=log_probs / np.float32(4),
            flag=(np.arange(log_probs.shape[2]) == target[..., None]).astype(np.float32),
            order=couple_order(log_probs, target, sizes["couples_per_pair"]),
            starts=np.load(directory / "starts.npy"),
        )

    @property
    def n_batches(self) -> int:
        """The number of batches, which are used in turn."""
        return len(self.scaled)

    @property
    def n_pairs(self) -> int:
        """Pairs a generation."""
        return int(self.scaled.shape[1])

    @property
    def n_classes(self) -> int:
        """The class count."""
        return int(self.scaled.shape[2])

    @property
    def n_params(self) -> int:
        """Length of a candidate."""
        return int(self.starts.shape[1])

    @property
    def comparable(self) -> Array:
        """Couples that count, ``(B,)``."""
        counts: Array = np.abs(self.order).sum(axis=(1, 2))
        return counts

    def inputs(self) -> Array:
        """Rows ``(log p / 4, label flag, 1)``, shape ``(B, N * C, 3)``: a first layer is one product."""
        rows = np.stack([self.scaled, self.flag, np.ones_like(self.flag)], axis=-1)
        return rows.reshape(self.n_batches, -1, 3)

    def slices(self) -> dict[str, tuple[slice, tuple[int, ...]]]:
        """The slice of each layer's parameters in a candidate, and their shape."""
        shapes = {
            "w1": (2, self.hidden),
            "b1": (self.hidden,),
            "w2": (self.hidden, self.hidden),
            "b2": (self.hidden,),
            "w3": (self.hidden,),
        }
        slices, at = {}, 0
        for name, shape in shapes.items():
            size = math.prod(shape)
            slices[name] = slice(at, at + size), shape
            at += size
        if at != self.n_params:
            raise ValueError(f"a candidate has {at} parameters, the starts have {self.n_params}")
        return slices

    def split(self, params: Any) -> tuple[Any, ...]:
        """The layers ``w1, b1, w2, b2, w3`` of candidates ``(..., n_params)``, of any array library."""
        lead = tuple(params.shape[:-1])
        return tuple(params[..., at].reshape(lead + shape) for at, shape in self.slices().values())


def couple_order(log_probs: Array, target: Array, couples_per_pair: int) -> Array:
    """The sign of ``error[i] - error[(i + s) % N]`` for all shifts s, ``(B, S, N)``, from ``(B, N, C)``."""
    log_p = np.take_along_axis(log_probs, target[..., None], axis=2)[..., 0]
    shifts = range(1, min(couples_per_pair, log_p.shape[1] - 1) + 1)
    order = [np.sign(np.roll(log_p, -s, axis=1) - log_p) for s in shifts]
    return np.stack(order, axis=1).astype(np.float32)


class Engine(Protocol):
    """A peer: one fitness and one search."""

    def fitness(self, population: Array) -> Array:
        """The fitness of candidates ``(P, n_params)`` on the first batch, ``(P,)``."""

    def restart(self, seed: int) -> None:
        """Begin a fresh search."""

    def run(self, generations: int) -> None:
        """Go on for so many generations, and wait until they are done."""

    def centre(self) -> Array:
        """The centre of the search distribution, ``(n_params,)``."""


def main(
    engines: Mapping[str, Callable[[Workload], Engine]],
    packages: tuple[str, ...],
    environment: Callable[[int], Mapping[str, str]] = lambda threads: {},
) -> None:
    """Read the command line, pin the process to its cores, make the engine and serve it.

    Args:
        engines: what makes the engine, by the name of the variant; called after the pinning, so that it can
            import its library then.
        packages: distributions whose versions are reported.
        environment: variables to set for so many threads before the library is imported.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", type=Path, required=True)
    parser.add_argument("--variant", choices=list(engines), default=next(iter(engines)))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ.update(environment(options.threads))
    # Whatever a library prints goes to the log, not between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine = engines[options.variant](Workload.read(options.workload))
    serve(engine, versions(packages), sys.stdin, answers)


def serve(engine: Engine, facts: Mapping[str, str], commands: TextIO, answers: TextIO) -> None:
    """Answer commands until there are no more."""

    def answer(content: Mapping[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    engine.restart(0)
    engine.run(2)  # compiles
    answer({"ready": True, "versions": dict(facts)})
    for line in commands:
        words = line.split()
        if words[:1] == ["quit"]:
            return
        try:
            answer(_obey(engine, words))
        except Exception as error:
            traceback.print_exc()
            answer({"error": f"{type(error).__name__}: {error}"})


def _obey(engine: Engine, words: list[str]) -> dict[str, Any]:
    match words:
        case ["run", generations]:
            engine.restart(0)
            start = time.perf_counter()
            engine.run(int(generations))
            return {"seconds": time.perf_counter() - start}
        case ["centres", generations, seed, every]:
            engine.restart(int(seed))
            at = list(range(int(every), int(generations) + 1, int(every)))
            centres = []
            for _ in at:
                engine.run(int(every))
                centres.append(engine.centre().tolist())
            return {"generations": at, "centres": centres}
        case ["fitness", path]:
            return {"fitness": engine.fitness(np.load(path)).tolist()}
    raise ValueError(f"not a command: {' '.join(words)!r}")


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of distributions, and of Python."""
    from importlib.metadata import version
    from platform import python_version

    return {"python": python_version(), **{name: version(name) for name in packages}}
