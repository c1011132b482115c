from __future__ import annotations

import torch

from evoloss.mutation import Chaotic, Gaussian, StudentT, Uniform
from evoloss.networks import ConcatNetwork, MonotoneNetwork
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.components import make_fitness, make_mutation, make_network, make_strategy
from evoloss.strategies import EvolutionStrategy, OpenES, PyCMA


def test_the_strategy_gets_its_own_settings() -> None:
    strategy = make_strategy(PretrainConfig(strategy="es_comma", step_control="self", sigma=0.2, popsize=12))
    assert isinstance(strategy, EvolutionStrategy)
    assert (strategy.step_control, strategy.sigma, strategy.popsize) == ("self", 0.2, 12)
    adam = make_strategy(PretrainConfig(strategy="open_es", learning_rate=0.3))
    assert isinstance(adam, OpenES)
    assert adam.learning_rate == 0.3
    assert isinstance(make_strategy(PretrainConfig(strategy="pycma")), PyCMA)


def test_the_mutation_gets_its_map() -> None:
    chaotic = make_mutation(PretrainConfig(mutation="chaotic", chaotic_map="tent", chaos_drives="both"))
    assert isinstance(chaotic, Chaotic)
    assert (chaotic.map, chaotic.drives) == ("tent", "both")
    assert isinstance(make_mutation(PretrainConfig(chaotic_map="tent")), Gaussian)


def test_every_mutation_can_be_named() -> None:
    assert isinstance(make_mutation(PretrainConfig(mutation="uniform")), Uniform)
    assert isinstance(make_mutation(PretrainConfig(mutation="student_t")), StudentT)
    shuffled = make_mutation(PretrainConfig(mutation="chaotic", chaos_order="shuffled"))
    assert shuffled == Chaotic(order="shuffled")


def test_auto_is_an_activation_that_the_network_takes() -> None:
    assert make_network(PretrainConfig()).activation == "silu"
    monotone = make_network(PretrainConfig(network="monotone"))
    assert isinstance(monotone, MonotoneNetwork)
    assert monotone.activation == "softplus"
    concat = make_network(PretrainConfig(network="concat", classes=(7,), features="probs"))
    assert isinstance(concat, ConcatNetwork)
    assert (concat.n_classes, concat.features) == (7, "probs")


def test_each_generation_has_fresh_pairs_and_the_same_for_every_call() -> None:
    config = PretrainConfig(classes=(3, 5), pairs=16)
    network = make_network(config)
    first, again, next_one = (make_fitness(config, network, generation) for generation in (1, 1, 2))
    for position, n_classes in enumerate(config.classes):
        couples = first.couples[position]
        assert couples.log_probs.shape == (16, n_classes)
        assert torch.equal(couples.log_probs, again.couples[position].log_probs)
        assert not torch.equal(couples.log_probs, next_one.couples[position].log_probs)


def test_classes_are_grouped_where_only_their_sum_counts() -> None:
    config = PretrainConfig(classes=(500,), pairs=16, slots=32)
    assert make_fitness(config, make_network(config), 1).couples[0].log_probs.shape == (16, 32)
    for changes in ({"n_grid": 0}, {"error": "dominance"}, {"network": "concat"}, {"slots": 0}):
        every = PretrainConfig(**{"classes": (500,), "pairs": 16, "slots": 32, **changes})
        couples = make_fitness(every, make_network(every), 1).couples[0]
        assert couples.counts is None, changes
        assert couples.log_probs.shape[1] == 500
