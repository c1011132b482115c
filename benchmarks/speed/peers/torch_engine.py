"""Plain PyTorch as a peer: SNES written down, and three ways to evaluate a population.

    python -m benchmarks.speed.peers.torch_engine --workload DIR --variant naive|batched|compiled --threads 2

``naive`` loops over the candidates. ``batched`` takes pieces of some candidates and some pairs that stay in
cache, in as many threads as there are cores, each with operations of one thread: pieces are independent, so
nothing waits at the end of an operation. ``compiled`` gives such a piece to torch.compile, with an
exponential made of few operations, which is then fused with what surrounds it. What was tried stands at
each; times are of a generation of 256 candidates and 4,096 pairs on two cores.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.peers.serving import Array, Workload, main

Losses = Callable[[Tensor, Tensor], Tensor]  # candidates (P, n_params) and inputs (N C, 3) to losses (P, N)

_LOG2_E, _LN_2 = 1 / math.log(2), math.log(2)
# 2**r for r in [-1/2, 1/2] to 1e-7: the polynomial through the Chebyshev nodes, lowest power first. Plain
# numbers: torch.compile traces arrays of numpy.
_EXP2 = tuple(
    float(c)
    for c in np.polynomial.chebyshev.Chebyshev.interpolate(lambda r: 2.0**r, 5, domain=[-0.5, 0.5])
    .convert(kind=np.polynomial.Polynomial)
    .coef
)


class Batches:
    """A workload as tensors, and the score of losses on its batches."""

    def __init__(self, workload: Workload) -> None:
        self.inputs = torch.from_numpy(workload.inputs())
        self.order = torch.from_numpy(workload.order)
        self.comparable = torch.from_numpy(workload.comparable)
        self.length = workload.n_batches

    def score(self, losses: Tensor, batch: int) -> Tensor:
        """Fitness ``(P,)`` of losses ``(P, N)``."""
        agree = torch.zeros(len(losses))
        for shift, order in enumerate(self.order[batch], start=1):
            agree += torch.sign(losses - losses.roll(-shift, dims=1)) @ order
        return 0.5 * (1 - agree / self.comparable[batch])


class PopulationFitness:
    """The fitness of populations on the batches in turn.

    Args:
        workload: the work.
        variant: a name of :data:`VARIANTS`.
    """

    def __init__(self, workload: Workload, variant: str) -> None:
        torch.set_num_threads(available_cores())
        torch.set_flush_denormal(True)
        self.batches = Batches(workload)
        self.losses = VARIANTS[variant](workload)

    @torch.no_grad()
    def __call__(self, population: Tensor, generation: int = 0) -> Tensor:
        """Fitness ``(P,)`` of candidates ``(P, n_params)`` on the batch of a generation."""
        batch = generation % self.batches.length
        return self.batches.score(self.losses(population, self.batches.inputs[batch]), batch)


def naive(workload: Workload) -> Losses:
    """One candidate after the other, in the words of the formula."""

    def losses(population: Tensor, inputs: Tensor) -> Tensor:
        rows = []
        for candidate in population:
            w1, b1, w2, b2, w3 = workload.split(candidate)
            hidden = F.silu(inputs[:, :2] @ w1 + b1)
            hidden = F.silu(hidden @ w2 + b2)
            rows.append((hidden @ w3).view(workload.n_pairs, workload.n_classes).sum(dim=1))
        return torch.stack(rows)

    return losses


def batched(workload: Workload, candidates: int = 4, pieces: int = 16) -> Losses:
    """Batched products over cache-sized pieces, one thread a share of the population.

    Tried: from 1 to 32 candidates and from 1 to 40 pieces, within a tenth of each other where a piece fits
    into the second-level cache; the transposed layout ``(P, hidden, M)``, 0.40 s; pieces one after the other
    with threads inside each operation it took 0.34 s. More than half of it is the exponential in
    ``F.silu``, for which nothing that is shorter was found among PyTorch's operations.
    """
    threads = available_cores()
    executor = ThreadPoolExecutor(threads, initializer=_one_thread)
    pieces = _divisor(workload.n_pairs, pieces)

    def share(population: Tensor, inputs: Tensor) -> Tensor:
        with torch.inference_mode():
            out = torch.empty(len(population), len(inputs))
            parts = inputs.chunk(pieces)
            length = len(parts[0])
            for start in range(0, len(population), candidates):
                w1, b1, w2, b2, w3 = workload.split(population[start : start + candidates])
                first = torch.cat([w1, b1[:, None]], dim=1)
                rows = out[start : start + candidates]
                hidden = torch.empty(len(rows), length, workload.hidden)
                second = torch.empty_like(hidden)
                for piece, part in enumerate(parts):
                    torch.matmul(part, first, out=hidden)
                    F.silu(hidden, inplace=True)
                    torch.baddbmm(b2[:, None], hidden, w2, out=second)
                    F.silu(second, inplace=True)
                    at = slice(piece * length, (piece + 1) * length)
                    torch.bmm(second, w3[:, :, None], out=rows[:, at, None])
            return out.view(len(population), workload.n_pairs, workload.n_classes).sum(dim=2)

    def losses(population: Tensor, inputs: Tensor) -> Tensor:
        shares = population.chunk(threads)
        return torch.cat(list(executor.map(share, shares, [inputs] * len(shares))))

    return losses


def compiled(workload: Workload, candidates: int = 16, pieces: int = 16) -> Losses:
    """Cache-sized pieces by torch.compile, the products by batched matrix products.

    Tried: ``F.silu``, 0.37 s; :func:`silu_base_2`, 0.28 s; the first layer as a fused sum instead of a
    product, 0.26 s; multiplications and additions contracted, which inductor's default forbids, 0.18 s. The
    transposed layout is as fast; the whole network unrolled into one loop over pairs, 0.24 s; pieces of
    another size, up to 0.23 s.
    """
    from torch._inductor import config

    config.compile_threads = 1  # no helper processes that would stay
    config.cpp.enable_floating_point_contract_flag = "fast"
    pieces = _divisor(workload.n_pairs, pieces)

    def piece_losses(population: Tensor, inputs: Tensor) -> Tensor:
        w1, b1, w2, b2, w3 = workload.split(population)
        w1, b1, b2, w3 = w1 * -_LOG2_E, b1 * -_LOG2_E, b2 * -_LOG2_E, w3 * -_LN_2
        hidden = silu_base_2(inputs[:, :1] * w1[:, :1] + inputs[:, 1:2] * w1[:, 1:] + b1[:, None])
        hidden = silu_base_2(torch.bmm(hidden, w2) + b2[:, None])
        terms = torch.bmm(hidden, w3[:, :, None])
        return terms.view(len(population), -1, workload.n_classes).sum(dim=2)

    fast = torch.compile(piece_losses, dynamic=False, fullgraph=True)

    def losses(population: Tensor, inputs: Tensor) -> Tensor:
        missing = -len(population) % candidates  # one shape, compiled once
        padded = F.pad(population, (0, 0, 0, missing))
        parts = inputs.chunk(pieces)
        groups = torch.split(padded, candidates)
        rows = [torch.cat([fast(group, part) for part in parts], dim=1) for group in groups]
        return torch.cat(rows)[: len(population)]

    return losses


def vmapped(workload: Workload) -> Losses:
    """One candidate's loss, vectorised by torch.func.vmap: what the libraries' documents show."""

    def one(candidate: Tensor, inputs: Tensor) -> Tensor:
        w1, b1, w2, b2, w3 = workload.split(candidate)
        hidden = F.silu(inputs[:, :2] @ w1 + b1)
        hidden = F.silu(hidden @ w2 + b2)
        terms: Tensor = hidden @ w3
        return terms.view(workload.n_pairs, workload.n_classes).sum(dim=1)

    losses: Losses = torch.func.vmap(one, in_dims=(0, None), chunk_size=16)
    return losses


def silu_base_2(y: Tensor) -> Tensor:
    """``y / (1 + 2**y)``: with ``y = -z log2(e)`` this is ``silu(z)`` times ``-log2(e)``.

    The factors go into the weights. ``2**y`` is a polynomial in the distance to the next integer, and that
    integer in the exponent's bits; good to 1e-7 as ``F.silu`` is.
    """
    bounded = y.clamp(-126.0, 126.0)
    whole = bounded.round()
    rest = bounded - whole
    power = torch.full_like(rest, _EXP2[-1])
    for coefficient in _EXP2[-2::-1]:
        power = power * rest + coefficient
    # Of 1.5 * 2**23 plus a small integer the last bits are that integer.
    exponent = (whole + (12582912.0 + 127.0)).view(torch.int32) << 23
    return y / (1 + power * exponent.view(torch.float32))


VARIANTS: dict[str, Callable[[Workload], Losses]] = {
    "batched": batched,
    "compiled": compiled,
    "naive": naive,
    "vmap": vmapped,
}


class TorchEngine:
    """SNES in plain PyTorch, with the settings of the paper.

    Args:
        workload: the work.
        variant: how a population is evaluated.
    """

    def __init__(self, workload: Workload, variant: str) -> None:
        self.workload = workload
        self.evaluate = PopulationFitness(workload, variant)
        n, popsize = workload.n_params, workload.popsize
        self.rate = (3 + math.log(n)) / (5 * math.sqrt(n))
        raw = (math.log(popsize / 2 + 1) - torch.arange(1, popsize + 1).log()).clamp(min=0)
        self.utilities = raw / raw.sum() - 1 / popsize
        self.restart(0)

    def fitness(self, population: Array) -> Array:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        return self.evaluate(torch.from_numpy(population)).numpy()

    def restart(self, seed: int) -> None:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        starts = self.workload.starts
        self.generator = torch.Generator().manual_seed(seed)
        self.mean = torch.from_numpy(starts[seed % len(starts)]).clone()
        self.deviation = torch.full_like(self.mean, self.workload.sigma)
        self.generation = 0

    def run(self, generations: int) -> None:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        shape = self.workload.popsize, self.workload.n_params
        for _ in range(generations):
            noise = torch.randn(shape, generator=self.generator)
            fitness = self.evaluate(self.mean + self.deviation * noise, self.generation)
            noise = noise[fitness.argsort()]
            self.mean = self.mean + self.deviation * (self.utilities @ noise)
            change = 0.5 * self.rate * (self.utilities @ (noise.square() - 1))
            self.deviation = self.deviation * change.exp()
            self.generation += 1

    def centre(self) -> Array:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        return self.mean.numpy()


def available_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _divisor(number: int, wanted: int) -> int:
    """The largest divisor of a number that is not above the wanted one."""
    return next(divisor for divisor in range(wanted, 0, -1) if number % divisor == 0)


if __name__ == "__main__":
    main(
        {variant: partial(TorchEngine, variant=variant) for variant in ("batched", "compiled", "naive")},
        ("torch",),
    )
