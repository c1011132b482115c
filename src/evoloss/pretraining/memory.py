"""Memory that a search takes, from its configuration alone: too much is refused before any work."""

from __future__ import annotations

from evoloss.fitness import table_of
from evoloss.memory import require_memory
from evoloss.pretraining.components import block_length, make_network, training_mixture
from evoloss.pretraining.config import PretrainConfig
from evoloss.pretraining.evaluation.held_out_tasks import TASKS
from evoloss.tasks import Prior

_SINGLE, _DOUBLE = 4.0, 8.0  # bytes of a number
_UNIT = 600.0  # bytes of the description of a group of tasks

ADVICE = {
    "the candidates": "popsize or hidden",
    "the tables of candidates": "n_grid, popsize or hidden",
    "the pairs": "pairs, slots or the largest of classes",
    "the couples of pairs": "pairs, couples_per_pair, n_grid or the number of classes",
    "the losses of candidates on pairs": "popsize or pairs",
    "the held-out pairs": "eval_pairs or the largest of classes",
    "the tasks of students": "tasks, rates, groups, eval_groups, prior_samples or prior_classes",
    "the scores of students": "popsize, groups or tasks",
}
"""The settings that make each part smaller."""


def require_memory_for(config: PretrainConfig) -> None:
    """Check that a search fits into memory.

    Raises:
        ConfigError: if it does not, naming what takes most and what to lower.
    """
    require_memory("this search", memory_by_component(config), ADVICE)


def memory_by_component(config: PretrainConfig) -> dict[str, float]:
    """Bytes that each part of a search takes, about.

    They follow the largest arrays of each part; the tests hold their sum against measured searches.
    """
    network = make_network(config)
    length = block_length(config, network)
    # One block of generations is evaluated while the next is drawn, if there is a next.
    blocks = 1 + (config.most_generations > length)
    slots = training_mixture(config, network).slots
    components = {
        "the candidates": _candidates(config, network.n_params),
        "the pairs": _pairs(config, slots, length, blocks),
        "the held-out pairs": _held_out(config),
    }
    if table_of(config.ranking, network) is None:
        components["the losses of candidates on pairs"] = 2 * _SINGLE * config.popsize * config.pairs
    else:
        components["the tables of candidates"] = _tables(config)
        components["the couples of pairs"] = _couples(config, length, blocks)
    if config.fitness == "learnability":
        components["the tasks of students"] = _students(config)
        components["the scores of students"] = _scores(config)
    return components


def _candidates(config: PretrainConfig, n_params: int) -> float:
    """Noise and candidates in single precision, some of them in double, and what a strategy remembers."""
    per_number = 2 * _SINGLE + _DOUBLE
    if config.mutation == "chaotic":
        per_number += 3 * _DOUBLE
    covariance = 4 * _DOUBLE * n_params**2 if config.strategy == "pycma" else 0.0
    return per_number * config.popsize * n_params + covariance


def _tables(config: PretrainConfig) -> float:
    """Node values and coefficients of all candidates, and the matrix that makes the one of the other."""
    counts, nodes = len(config.classes), config.n_grid
    return _SINGLE * config.popsize * nodes * 2 * (2 * counts + 1) + 3 * _DOUBLE * nodes**2


def _pairs(config: PretrainConfig, slots: int, length: int, blocks: int) -> float:
    """Bytes of a block of generations' pairs: a few arrays of the size of the pairs at a time."""
    columns = [min(count, slots) if slots else count for count in config.classes]
    copies = 2 if config.error == "dominance" else 1
    return _SINGLE * copies * length * config.pairs * (blocks * sum(columns) + 3 * max(columns))


def _couples(config: PretrainConfig, length: int, blocks: int) -> float:
    """The interpolation weights of each couple, two arrays for every generation of a block."""
    per_pair = 1 if config.error == "dominance" else min(config.couples_per_pair, config.pairs)
    columns = 2 * config.n_grid + 6
    couples = length * config.pairs * per_pair * len(config.classes)
    return blocks * couples * 2 * (_SINGLE * columns + _DOUBLE)


def _held_out(config: PretrainConfig) -> float:
    """Kept in double precision, every class a column, and some copies while the largest are drawn."""
    return _DOUBLE * config.eval_pairs * (sum(config.classes) + 3 * max(config.classes))


def _students(config: PretrainConfig) -> float:
    """One group of tasks at a time, the largest that the prior draws, and the list of all groups."""
    prior, tasks = config.task_prior, max(config.tasks, TASKS) * config.rates
    largest = max(_group(prior, tasks), _group(prior.of_long_groups(), tasks))
    return largest + _UNIT * (config.groups + config.eval_groups)


def _group(prior: Prior, tasks: int) -> float:
    patches = prior.patches[1] if prior.patched else 1
    inputs = (prior.samples[1] + prior.test_samples) * prior.features[1] * patches
    order = prior.most_seen * prior.stretch
    return tasks * (3 * _SINGLE * inputs + 2 * _DOUBLE * order)


def _scores(config: PretrainConfig) -> float:
    """Accuracy and likelihood twice along the way; ranks compare every candidate with every other."""
    compared = config.tasks * config.popsize * (config.popsize if config.scoring == "rank" else 1)
    return 2 * (4 * _SINGLE * config.popsize * config.tasks * config.groups + 3 * compared)
