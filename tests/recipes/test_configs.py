"""The configurations under recipes/ are read by this version, and run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evoloss.errors import CallbackError
from evoloss.pretraining import PretrainConfig, pretrain
from evoloss.pretraining.history import GenerationRecord
from evoloss.zoo import SHIPPED
from recipes.build import RECIPES

CONFIGS = {
    **{path.parent.name: path for path in RECIPES.glob("*/config.toml")},
    **{path.stem: path for path in RECIPES.glob("not-shipped/*.toml")},
}


def committed() -> list[str]:
    return sorted(CONFIGS)


def test_they_are_found() -> None:
    assert {"paper", *SHIPPED} <= set(committed())


def by_fitness(fitness: str) -> list[str]:
    return [name for name in committed() if read(name).fitness == fitness]


def read(name: str) -> PretrainConfig:
    return PretrainConfig.from_toml(CONFIGS[name])


@pytest.mark.parametrize("name", by_fitness("ranking"))
def test_a_committed_configuration_runs(name: str) -> None:
    config = read(name)
    short = replace(config, generations=40, pairs=64, eval_pairs=64, classes=config.classes[:2])
    result = pretrain(short)
    assert len(result.history) == 40
    assert result.summary["ranking_consistency"] > 0.6, "better than a coin"


def with_few_students(name: str) -> PretrainConfig:
    small = {"generations": 2, "popsize": 16, "groups": 1, "tasks": 1, "eval_groups": 2, "elites": 1}
    few = {"prior_samples": (20, 30), "prior_classes": (2, 4), "pairs": 32, "eval_pairs": 32}
    return replace(read(name), eval_every=2, **small, **few)


class _EnoughError(Exception):
    """One generation is enough."""


@pytest.mark.parametrize("name", by_fitness("learnability"))
def test_a_committed_configuration_with_students_begins(name: str) -> None:
    """One generation; what comes after it are held-out tasks, some trained ten times longer."""
    seen: list[GenerationRecord] = []

    def stop(record: GenerationRecord) -> None:
        seen.append(record)
        raise _EnoughError

    with pytest.raises(CallbackError) as found:
        pretrain(with_few_students(name), on_generation=stop)
    assert isinstance(found.value.__cause__, _EnoughError)
    assert seen[0].advantage_best is not None
    assert seen[0].rejected < 16


@pytest.mark.slow
@pytest.mark.parametrize("name", by_fitness("learnability"))
def test_a_committed_configuration_with_students_runs(name: str) -> None:
    result = pretrain(with_few_students(name))
    assert len(result.history) == 2
    assert any(record.advantage_best is not None for record in result.history)


def test_the_paper_is_read_as_its_abstract_says() -> None:
    config = PretrainConfig.from_toml(CONFIGS["paper"])
    assert (config.network, config.features, config.fitness) == ("concat", "probs", "ranking")
    assert (config.mutation, config.chaotic_map, config.strategy) == ("chaotic", "logistic", "es_comma")
