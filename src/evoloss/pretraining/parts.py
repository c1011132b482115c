"""From a configuration to the parts of the loop: network, mutation, strategy, fitness."""

from __future__ import annotations

from typing import Any

import torch

from evoloss.fitness import RankingFitness, Workspace, make_couples
from evoloss.mutation import Chaotic, Gaussian, Mutation
from evoloss.networks import NETWORKS, ClasswiseNetwork, Network
from evoloss.pairs import PairsConfig, sample_pairs
from evoloss.pretraining.config import PretrainConfig
from evoloss.random_streams import stream
from evoloss.strategies import STRATEGIES, Strategy


def make_network(config: PretrainConfig) -> Network:
    """The loss network whose parameters are evolved."""
    options: dict[str, Any] = {"hidden": config.hidden, "features": config.features}
    if config.activation != "auto":
        options["activation"] = config.activation
    if config.network == "concat":
        options["n_classes"] = config.classes[0]
    return NETWORKS[config.network](**options)


def make_mutation(config: PretrainConfig) -> Mutation:
    """Where the noise of the strategy comes from."""
    if config.mutation == "chaotic":
        return Chaotic(map=config.chaotic_map, drives=config.chaos_drives)
    return Gaussian()


def make_strategy(config: PretrainConfig) -> Strategy:
    """The evolution strategy; ``pycma`` brings its own sampling and takes no mutation."""
    options: dict[str, Any] = {"popsize": config.popsize, "sigma": config.sigma}
    if config.strategy != "pycma" or config.mutation != "gaussian":
        options["mutation"] = make_mutation(config)
    if config.strategy == "es_comma":
        options["step_control"] = config.step_control
    if config.strategy == "open_es":
        options["learning_rate"] = config.learning_rate
    return STRATEGIES[config.strategy](**options)


def make_fitness(
    config: PretrainConfig, network: Network, generation: int, workspace: Workspace | None = None
) -> RankingFitness:
    """The fitness of one generation: fresh pairs, the same for all its candidates."""
    mixture = training_mixture(config, network)
    couples = []
    for n_classes in config.classes:
        pairs = sample_pairs(
            mixture, config.pairs, n_classes, stream(config.seed, "pairs", generation, n_classes)
        )
        moved = stream(config.seed, "moved mass", generation, n_classes)
        couples.append(make_couples(config.ranking, pairs, moved))
    return RankingFitness(config.ranking, network, couples, workspace)


def training_mixture(config: PretrainConfig, network: Network) -> PairsConfig:
    """The mixture that candidates are judged on.

    Classes are grouped where only a sum over them is asked for, by tables; a concat network tells classes
    apart, and dominance moves mass between them.
    """
    grouped = isinstance(network, ClasswiseNetwork) and config.n_grid > 0 and config.error != "dominance"
    return PairsConfig(weights=config.regimes, slots=config.slots if grouped else 0)


def start_point(config: PretrainConfig, network: Network) -> torch.Tensor:
    """The mean that the search starts from, random, shape ``(n_params,)``."""
    return network.initial(stream(config.seed, "start"))
