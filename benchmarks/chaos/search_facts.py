"""Properties of the searches of the study: the noise of their fitness, the step lengths they select."""

from __future__ import annotations

import statistics
from typing import Any

import torch

from benchmarks.chaos.conditions import BASE, NOISY, QUIET, TUNED_SIGMAS
from evoloss.fitness import RankingConfig, RankingFitness, make_couples
from evoloss.pairs import sample_pairs
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.components import (
    block_length,
    make_block,
    make_fitness,
    make_network,
    make_strategy,
)
from evoloss.pretraining.start import start_point
from evoloss.random_streams import stream
from evoloss.strategies.shaping import recombination_weights

SEEDS = 5
_Records = dict[int, list[float]]


def search_facts() -> dict[str, Any]:
    """The content of ``facts.json``: rank correlations by noise level, selected step lengths by step size."""
    return {
        "rank_correlation": {"quiet": fitness_noise(QUIET), "noisy": fitness_noise(NOISY)},
        "selected_lengths": {str(sigma): selected_lengths(sigma) for sigma in TUNED_SIGMAS},
    }


def fitness_noise(settings: dict[str, Any], seeds: int = SEEDS) -> dict[str, float]:
    """Rank correlation of a generation's fitness with one on very many pairs.

    Measured on populations around means that a Gaussian search has after 0, 20 and 60 generations.
    """
    correlations: _Records = {0: [], 20: [], 60: []}
    for seed in range(seeds):
        search = {**BASE, "sigma": 0.3, "seed": seed}
        quiet = PretrainConfig.from_dict({**search, **QUIET, "step_control": "none"})
        measured = PretrainConfig.from_dict({**search, **settings})
        network, strategy = make_network(quiet), make_strategy(quiet)
        state = strategy.init(start_point(quiet, network), stream(seed, "strategy"))
        for generation in range(61):
            candidates, asked = strategy.ask(state, stream(seed, "ask", generation))
            if generation in correlations:
                fitness = make_fitness(measured, network, generation + 1).evaluate(candidates).fitness
                reference = reference_fitness(network, candidates)
                correlations[generation].append(rank_correlation(fitness, reference))
            fitness = make_fitness(quiet, network, generation + 1).evaluate(candidates).fitness
            state = strategy.tell(asked, candidates, fitness)
    return {
        str(generation): round(statistics.fmean(values), 4) for generation, values in correlations.items()
    }


def selected_lengths(sigma: float, seeds: int = SEEDS) -> dict[str, float]:
    """Step lengths that selection prefers: their mean with recombination weights, less the plain mean.

    In units of a Gaussian step, for random lengths (``logistic step independent``), over the first 20 and the
    last 50 generations.
    """
    settings = {**BASE, **QUIET, "sigma": sigma, "step_control": "none", "mutation": "chaotic"}
    settings |= {"chaos_drives": "step", "chaos_order": "independent"}
    differences: _Records = {generation: [] for generation in range(100)}
    for seed in range(seeds):
        config = PretrainConfig.from_dict({**settings, "seed": seed})
        network, strategy = make_network(config), make_strategy(config)
        state = strategy.init(start_point(config, network), stream(seed, "strategy"))
        block, length = [], block_length(config, network)
        for generation in range(100):
            if generation % length == 0:
                block = make_block(config, network, generation // length)
            candidates, asked = strategy.ask(state, stream(seed, "ask", generation))
            fitness = block[generation % length].evaluate(candidates).fitness
            steps = (candidates - state["mean"]).double().square().mean(1).sqrt() / sigma
            weights = recombination_weights(fitness, config.popsize // 2).double()
            if weights.sum() > 0:
                selected = float(weights @ steps / weights.sum() - steps.mean())
                differences[generation].append(selected)
            state = strategy.tell(asked, candidates, fitness)
    return {"first 20": _mean(differences, range(20)), "last 50": _mean(differences, range(50, 100))}


def _mean(differences: _Records, generations: range) -> float:
    return round(statistics.fmean(value for at in generations for value in differences[at]), 3)


def reference_fitness(network: Any, candidates: torch.Tensor) -> torch.Tensor:
    """Fitness on 16,384 pairs."""
    config = RankingConfig(couples_per_pair=4)
    pairs = sample_pairs(PretrainConfig().pairs_mixture, 16_384, 10, stream(0, "truth"))
    couples = make_couples(config, pairs, stream(0, "truth", "couples"))
    return RankingFitness(config, network, [couples]).evaluate(candidates).fitness


def rank_correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    """Spearman's rho over the candidates that both accept."""
    both = first.isfinite() & second.isfinite()
    ranks = [fitness[both].argsort().argsort().double() for fitness in (first, second)]
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])
