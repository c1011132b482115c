"""EvoX as a peer: its SNES in its standard workflow, with torch.compile.

    python -m benchmarks.speed.peers.evox_engine --workload DIR --variant tuned|whole --threads 2

``tuned`` evaluates the population as the fastest plain PyTorch does (``compiled`` of
:mod:`benchmarks.speed.peers.torch_engine`); the step around it, a hundredth of the time, is left as it is.
``whole`` compiles the workflow's step, with the population evaluated at once, as EvoX's documents do.

EvoX is under the GPL. It is measured here and used by nothing else: it is installed in the peers' environment
and in no other.
"""

from __future__ import annotations

import torch
from evox.algorithms import SNES
from evox.core import Mutable, Problem
from evox.workflows import StdWorkflow
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.peers.serving import Array, Workload, main
from benchmarks.speed.peers.torch_engine import PopulationFitness, available_cores


class TunedProblem(Problem):
    """Evaluates pieces that stay in cache, compiled."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.evaluator = PopulationFitness(workload, "compiled")
        self.generation = 0

    def restart(self) -> None:
        """Go back to the first batch."""
        self.generation = 0

    def evaluate(self, population: Tensor) -> Tensor:
        """The fitness of a population on the next batch."""
        self.generation += 1
        return self.evaluator(population, self.generation - 1)


class WholeProblem(Problem):
    """Evaluates the population in one piece; made to be compiled with the step."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        torch.set_num_threads(available_cores())
        torch.set_flush_denormal(True)
        self.workload = workload
        self.inputs = Mutable(torch.from_numpy(workload.inputs()))
        self.order = Mutable(torch.from_numpy(workload.order))
        self.comparable = Mutable(torch.from_numpy(workload.comparable))
        self.generation = Mutable(torch.tensor(0))

    def restart(self) -> None:
        """Go back to the first batch."""
        self.generation = torch.zeros_like(self.generation)

    def evaluate(self, population: Tensor) -> Tensor:
        """The fitness of a population on the next batch."""
        batch = self.generation % len(self.comparable)
        self.generation = self.generation + 1
        w1, b1, w2, b2, w3 = self.workload.split(population)
        hidden = F.silu(torch.matmul(self.inputs[batch][:, :2], w1) + b1[:, None])
        hidden = F.silu(torch.bmm(hidden, w2) + b2[:, None])
        terms = torch.bmm(hidden, w3[:, :, None])
        losses = terms.view(len(population), self.workload.n_pairs, self.workload.n_classes).sum(dim=2)
        order = self.order[batch]
        agree = sum(
            torch.sign(losses - losses.roll(-shift, dims=1)) @ order[shift - 1]
            for shift in range(1, len(order) + 1)
        )
        return 0.5 * (1 - agree / self.comparable[batch])


class EvoxEngine:
    """EvoX's SNES with the paper's utilities; its default weights are others.

    Args:
        workload: the work.
        whole: whether the step is compiled as one.
    """

    def __init__(self, workload: Workload, whole: bool) -> None:
        self.workload = workload
        self.problem = WholeProblem(workload) if whole else TunedProblem(workload)
        algorithm = SNES(
            workload.popsize,
            torch.from_numpy(workload.starts[0]).clone(),
            sigma=workload.sigma,
            weight_type="recomb",
        )
        self.workflow = StdWorkflow(algorithm, self.problem)
        self.step = torch.compile(self.workflow.step, dynamic=False) if whole else self.workflow.step

    @torch.no_grad()
    def fitness(self, population: Array) -> Array:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        self.problem.restart()
        return self.problem.evaluate(torch.from_numpy(population)).numpy()

    def restart(self, seed: int) -> None:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        starts, algorithm = self.workload.starts, self.workflow.algorithm
        torch.manual_seed(seed)
        self.problem.restart()
        algorithm.center = torch.from_numpy(starts[seed % len(starts)]).clone()
        algorithm.sigma = torch.full_like(algorithm.center, self.workload.sigma)

    @torch.no_grad()
    def run(self, generations: int) -> None:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        for _ in range(generations):
            self.step()

    def centre(self) -> Array:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        return self.workflow.algorithm.center.numpy()


if __name__ == "__main__":
    main(
        {
            "tuned": lambda workload: EvoxEngine(workload, whole=False),
            "whole": lambda workload: EvoxEngine(workload, whole=True),
        },
        ("evox", "torch"),
    )
