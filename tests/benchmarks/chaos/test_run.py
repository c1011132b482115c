from __future__ import annotations

import pytest
import torch

from benchmarks.chaos.conditions import CONDITIONS, OPTIONAL, SEEDS, ablation_config, chaotic, contrasts
from benchmarks.chaos.results import finished, finished_optional, load, load_facts, series
from benchmarks.chaos.run import ChaosStudy
from benchmarks.chaos.search_facts import fitness_noise, rank_correlation, selected_lengths
from evoloss.errors import UnknownNameError
from tests.sampling import sampled


@pytest.mark.parametrize("name", sampled([*CONDITIONS, *OPTIONAL], 5))
def test_every_condition_is_a_valid_ablation_with_the_gaussian_as_baseline(name: str) -> None:
    ablation = ablation_config(name)
    assert ablation.baseline_name == ablation.variants[0].name == "gaussian"
    assert len(SEEDS) >= 30


def test_all_fixed_step_sizes_are_there() -> None:
    assert {f"fixed-{sigma}" for sigma in (0.02, 0.1, 0.3, 1.0, 2.0)} <= set(finished())


@pytest.mark.parametrize("name", sampled([*finished(), *finished_optional()], 5))
def test_the_committed_result_is_the_condition(name: str) -> None:
    found, planned = load(name), ablation_config(name)
    assert found.variants == {variant.name: variant.settings for variant in planned.variants}
    assert found.contrasts == planned.contrasts
    assert found.target == planned.target
    base = planned.base.to_dict()
    assert {key: base[key] for key in found.base} == found.base
    assert {row.n_seeds for row in found.summary} == {len(SEEDS)}


def test_each_orbit_meets_its_twins() -> None:
    variants = [chaotic("tent", "step", order) for order in ("orbit", "independent", "shuffled")]
    assert variants[2].partition(":")[0] == "tent step shuffled"
    assert contrasts(variants) == ("tent step:tent step independent", "tent step:tent step shuffled")


def test_rank_correlation_leaves_rejected_candidates_out() -> None:
    first = torch.tensor([1.0, 2.0, float("inf"), 3.0])
    assert rank_correlation(first, torch.tensor([3.0, 5.0, 1.0, 9.0])) == pytest.approx(1.0)
    assert rank_correlation(first, -first) == pytest.approx(-1.0)


def test_a_series_holds_the_conditions_of_one_prefix() -> None:
    assert series("noisy") == ["noisy-0.02", "noisy-0.1", "noisy-0.3"]
    assert series("noisy-self") == ["noisy-self-0.02", "noisy-self-0.1", "noisy-self-0.3"]


def test_unknown_condition() -> None:
    with pytest.raises(UnknownNameError, match=r"fixed-0.4.*Did you mean"):
        ChaosStudy(only=("fixed-0.4",))


def test_facts_are_correlations_and_differences_of_few_searches() -> None:
    facts = load_facts()
    once = fitness_noise({"pairs": 32, "couples_per_pair": 1}, seeds=1)
    assert once.keys() == facts["rank_correlation"]["noisy"].keys()
    assert all(-1 <= value <= 1 for value in once.values())
    lengths = selected_lengths(0.3, seeds=1)
    assert lengths.keys() == facts["selected_lengths"]["0.3"].keys()
    assert max(lengths.values()) < 0, "selection prefers short steps at every step size"
