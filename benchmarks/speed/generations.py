"""A search of this package as a subject of a benchmark: generation after generation, drawing charged."""

from __future__ import annotations

import time

from torch import Tensor

from evoloss.networks import LossNetwork
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.components import block_length, make_block, make_network, make_strategy
from evoloss.pretraining.lookahead import Lookahead
from evoloss.pretraining.start import start_point
from evoloss.random_streams import stream

_NO_END = 1 << 40  # generations: the look-ahead never idles, as in the middle of a run


class Generations:
    """The loop of :func:`evoloss.pretrain` without its files and scores.

    Args:
        config: the configuration; its number of generations has no effect.
        network: another network than the configuration's.
    """

    def __init__(self, config: PretrainConfig, network: LossNetwork | None = None) -> None:
        self.config = config
        self.network = network or make_network(config)
        self.strategy = make_strategy(config)
        mean = start_point(config, self.network)
        self.state = self.strategy.init(mean, stream(config.seed, "strategy"))
        self.generation = 0
        self.lookahead = Lookahead(
            lambda block, spaces: make_block(config, self.network, block, spaces),
            block_length(config, self.network),
            _NO_END,
        )

    def run(self, generations: int) -> float:
        """Go on for so many generations; returns the seconds of one."""
        start = time.perf_counter()
        for _ in range(generations):
            self.generation += 1
            fitness = self.lookahead.get(self.generation)
            candidates, asked = self.strategy.ask(
                self.state, stream(self.config.seed, "ask", self.generation)
            )
            evaluation = fitness.evaluate(candidates)
            self.state = self.strategy.tell(asked, candidates, evaluation.fitness)
        return (time.perf_counter() - start) / generations

    @property
    def mean(self) -> Tensor:
        """The mean of the search."""
        return self.strategy.mean(self.state)

    def close(self) -> None:
        """End the drawing thread."""
        self.lookahead.close()
