"""EvoTorch as a peer: its SNES on a vectorised problem.

    python -m benchmarks.speed.peers.evotorch_engine --workload DIR --variant tuned|vmap --threads 2

``tuned`` evaluates the population as the fastest plain PyTorch does (``compiled`` of
:mod:`benchmarks.speed.peers.torch_engine`), ``vmap`` by torch.func.vmap as EvoTorch's documents do.
"""

from __future__ import annotations

import torch
from evotorch import Problem
from evotorch.algorithms import SNES
from torch import Tensor

from benchmarks.speed.peers.serving import Array, Workload, main
from benchmarks.speed.peers.torch_engine import PopulationFitness


class EvoTorchEngine:
    """EvoTorch's SNES at its defaults, which are the paper's.

    Args:
        workload: the work.
        variant: how :mod:`benchmarks.speed.peers.torch_engine` evaluates a population.
    """

    def __init__(self, workload: Workload, variant: str) -> None:
        self.workload = workload
        self.evaluate = PopulationFitness(workload, variant)
        self.restart(0)

    def fitness(self, population: Array) -> Array:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        return self.evaluate(torch.from_numpy(population)).numpy()

    def restart(self, seed: int) -> None:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        workload = self.workload
        self.generation = 0
        problem = Problem(
            "min",
            self._objective,
            solution_length=workload.n_params,
            dtype=torch.float32,
            initial_bounds=(-1.0, 1.0),  # asked for, and without effect: the centre is given
            vectorized=True,
            store_solution_stats=False,
            seed=seed,
        )
        self.search = SNES(
            problem,
            popsize=workload.popsize,
            stdev_init=workload.sigma,
            center_init=torch.from_numpy(workload.starts[seed % len(workload.starts)]),
        )

    def run(self, generations: int) -> None:
        """See :class:`~benchmarks.speed.peers.serving.Engine`."""
        for _ in range(generations):
            self.search.step()

    def centre(self) -> Array:
        """See :class:`~benchmarks.speed.peers.serving.Engine`.

        EvoTorch updates at the start of the next generation: this centre is one update behind.
        """
        return self.search.status["center"].numpy()

    def _objective(self, population: Tensor) -> Tensor:
        self.generation += 1
        raw_population = population.as_subclass(Tensor)  # its read-only class cannot be compiled
        return self.evaluate(raw_population, self.generation - 1)


if __name__ == "__main__":
    main(
        {
            "tuned": lambda workload: EvoTorchEngine(workload, "compiled"),
            "vmap": lambda workload: EvoTorchEngine(workload, "vmap"),
        },
        ("evotorch", "torch"),
    )
