"""From a configuration to the parts of the loop: network, mutation, strategy, fitness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from evoloss.fitness import Couples, RankingFitness, TaskGroupSpec, make_couples, pair_weights, table_of
from evoloss.mutation import MUTATIONS, Chaotic, Mutation
from evoloss.networks import NETWORKS, LossNetwork
from evoloss.pairs import Pairs, PairsConfig, sample_pairs
from evoloss.pretraining.config import PretrainConfig
from evoloss.random_streams import stream
from evoloss.strategies import STRATEGIES, Strategy
from evoloss.students import Workspace

# A block has at most so many pairs, and so many probabilities: from about there on, drawing twice as many
# takes twice as long.
_BLOCK_ROWS, _BLOCK_ELEMENTS = 4096, 1 << 19


def make_network(config: PretrainConfig) -> LossNetwork:
    """The loss network whose parameters are evolved."""
    return NETWORKS[config.network].from_options(config.network_options)


def make_mutation(config: PretrainConfig) -> Mutation:
    """Make the mutation that the strategy draws its noise from."""
    if config.mutation == "chaotic":
        return Chaotic(map=config.chaotic_map, drives=config.chaos_drives, order=config.chaos_order)
    return MUTATIONS[config.mutation]()


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


def block_length(config: PretrainConfig, network: LossNetwork) -> int:
    """Generations whose pairs are drawn together: small draws cost the calls, large ones the memory.

    A function of the configuration alone, so that a resumed run draws what an uninterrupted one draws.
    """
    slots = training_mixture(config, network).slots
    columns = max(min(count, slots) if slots else count for count in config.classes)
    rows = min(_BLOCK_ROWS, _BLOCK_ELEMENTS // columns)
    return max(1, rows // config.pairs)


def make_block(
    config: PretrainConfig, network: LossNetwork, block: int, workspaces: Sequence[Workspace] | None = None
) -> list[RankingFitness]:
    """The fitness of each generation of a block: fresh pairs, the same for all candidates of a generation.

    Block b holds the generations from ``b * block_length + 1`` on.

    Args:
        config: the configuration.
        network: what is evolved.
        block: from 0.
        workspaces: one for each generation of the block, and one more for evaluation; new ones if not given.
    """
    length = block_length(config, network)
    mixture, table = training_mixture(config, network), table_of(config.ranking, network)
    by_generation: list[list[Couples]] = [[] for _ in range(length)]
    for n_classes in config.classes:
        labels = ("pairs", block, n_classes)
        pairs = sample_pairs(mixture, length * config.pairs, n_classes, stream(config.seed, *labels))
        moved = stream(config.seed, "moved mass", block, n_classes)
        weights = None
        if table is not None and config.error != "dominance":
            weights = pair_weights(table, pairs.log_probs, pairs.target, pairs.counts)
        for position, couples in enumerate(by_generation):
            rows = slice(position * config.pairs, (position + 1) * config.pairs)
            own = Pairs(pairs.log_probs[rows], pairs.target[rows], pairs.regime[rows], pairs.counts)
            made = make_couples(config.ranking, own, moved)
            couples.append(made if weights is None else replace(made, weights=weights[rows]))
    spaces = workspaces or [Workspace() for _ in range(length + 1)]
    return [
        RankingFitness(config.ranking, network, couples, space, spaces[-1])
        for couples, space in zip(by_generation, spaces[:-1], strict=True)
    ]


def make_fitness(config: PretrainConfig, network: LossNetwork, generation: int) -> RankingFitness:
    """The fitness of one generation, from 1."""
    block, position = divmod(generation - 1, block_length(config, network))
    return make_block(config, network, block)[position]


def training_mixture(config: PretrainConfig, network: LossNetwork) -> PairsConfig:
    """The mixture that candidates are judged on.

    Classes are grouped where tables ask for a sum over them alone; dominance moves mass between them.
    """
    grouped = table_of(config.ranking, network) is not None and config.error != "dominance"
    return PairsConfig(weights=config.regimes, slots=config.slots if grouped else 0)


def make_group_specs(config: PretrainConfig, generation: int) -> list[TaskGroupSpec]:
    """The groups of tasks of one generation; which of them are long is drawn by the prior's share."""
    prior, chance = config.task_prior, stream(config.seed, "long", generation)
    long = (torch.rand(config.groups, generator=chance, dtype=torch.float32) < prior.long).tolist()
    return [
        TaskGroupSpec(
            prior, config.seed, ("tasks", generation), group, config.tasks, is_long, rates=config.rates
        )
        for group, is_long in enumerate(long)
    ]
