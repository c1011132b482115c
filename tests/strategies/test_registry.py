"""Questions that every strategy of the registry answers, with every mutation that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from evoloss.errors import ConfigError
from evoloss.mutation import Chaotic, Gaussian
from evoloss.random_streams import stream
from evoloss.strategies import STRATEGIES, Strategy
from tests.strategies.searches import ellipsoid, noisy_ellipsoid, rosenbrock, search, sphere, start

MUTATIONS = {
    "gaussian": Gaussian(),
    "logistic": Chaotic(map="logistic"),
    "step": Chaotic(map="logistic", drives="step"),
    "both": Chaotic(map="henon", drives="both"),
}
CASES = [(name, mutation) for name in STRATEGIES if name != "pycma" for mutation in MUTATIONS]
CASES.append(("pycma", "own"))

every_case = pytest.mark.parametrize(("name", "mutation"), CASES)
every_strategy = pytest.mark.parametrize("name", list(STRATEGIES))


def build(name: str, mutation: str = "own", **fields: Any) -> Strategy:
    if name != "pycma" and mutation != "own":
        fields["mutation"] = MUTATIONS[mutation]
    return STRATEGIES[name](**fields)


def test_names() -> None:
    assert list(STRATEGIES) == ["es_comma", "es_plus", "open_es", "snes", "pycma"]


@every_case
@pytest.mark.parametrize("seed", [0, 1])
def test_sphere(name: str, mutation: str, seed: int) -> None:
    strategy = build(name, mutation, popsize=32, sigma=0.3)
    state = search(strategy, start(strategy, torch.ones(20), seed), sphere, range(120), seed)
    assert float(strategy.mean(state).square().sum()) < 0.02  # from 20


@every_case
def test_rosenbrock(name: str, mutation: str) -> None:
    # From 24.2 through the valley: it takes 4 to enter it, 0.5 to be on the last third.
    fields = {"sigma_decay": 0.99, "learning_rate": 0.02} if name == "open_es" else {}
    strategy = build(name, mutation, popsize=32, sigma=0.1, **fields)
    state = search(strategy, start(strategy, torch.tensor([-1.2, 1.0])), rosenbrock, range(300))
    assert float(rosenbrock(strategy.mean(state).unsqueeze(0), stream(0))) < 0.5


@every_case
def test_noisy_ellipsoid(name: str, mutation: str) -> None:
    strategy = build(name, mutation, popsize=64, sigma=0.3)
    state = search(strategy, start(strategy, torch.ones(10)), noisy_ellipsoid, range(120))
    assert float(ellipsoid(strategy.mean(state).unsqueeze(0))) < 0.1  # from 40.7


@every_case
def test_state_survives_a_file_bit_for_bit(name: str, mutation: str, tmp_path: Path) -> None:
    strategy = build(name, mutation, popsize=16)
    begun = start(strategy, torch.ones(7))
    straight = search(strategy, begun, noisy_ellipsoid, range(40))
    halfway = search(strategy, begun, noisy_ellipsoid, range(20))
    save_file(halfway, tmp_path / "state.safetensors")
    fresh = build(name, mutation, popsize=16)
    resumed = search(fresh, load_file(tmp_path / "state.safetensors"), noisy_ellipsoid, range(20, 40))
    assert resumed.keys() == straight.keys()
    for key, value in straight.items():
        assert torch.equal(resumed[key], value), key
    assert torch.equal(fresh.mean(resumed), strategy.mean(straight))


@every_case
def test_state_keeps_its_dtypes_and_lies_on_the_cpu(name: str, mutation: str) -> None:
    strategy = build(name, mutation, popsize=8)
    state = start(strategy, torch.ones(5))
    dtypes = {key: value.dtype for key, value in state.items()}
    after = search(strategy, state, sphere, range(3))
    assert {key: value.dtype for key, value in after.items()} == dtypes
    assert {value.device.type for value in after.values()} == {"cpu"}


@every_strategy
def test_ask_and_tell_are_pure(name: str) -> None:
    strategy = build(name, popsize=8)
    state = search(strategy, start(strategy, torch.ones(5)), sphere, range(3))
    before = {key: value.clone() for key, value in state.items()}
    first, asked = strategy.ask(state, stream(1, "ask"))
    second, _ = strategy.ask(state, stream(1, "ask"))
    assert torch.equal(first, second)
    told = [strategy.tell(asked, first, sphere(first, stream(0))) for _ in range(2)]
    assert all(torch.equal(told[0][key], told[1][key]) for key in told[0])
    assert state.keys() == before.keys()
    assert all(torch.equal(state[key], before[key]) for key in before)


@every_strategy
def test_seeds_matter(name: str) -> None:
    strategy = build(name, popsize=8)
    runs = [
        search(strategy, start(strategy, torch.ones(5), seed), sphere, range(3), seed) for seed in (0, 0, 1)
    ]
    means = [strategy.mean(state) for state in runs]
    assert torch.equal(means[0], means[1])
    assert not torch.equal(means[0], means[2])


@every_strategy
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_and_dtype_are_those_of_the_mean(name: str, dtype: torch.dtype) -> None:
    strategy = build(name, popsize=8)
    state = start(strategy, torch.ones(300, dtype=dtype))
    for generation in range(2):
        candidates, state = strategy.ask(state, stream(0, generation))
        assert (candidates.shape, candidates.dtype) == ((8, 300), dtype)
        state = strategy.tell(state, candidates, sphere(candidates, stream(0)))
        assert (strategy.mean(state).shape, strategy.mean(state).dtype) == ((300,), dtype)


@every_strategy
def test_sigma_is_the_spread_of_the_first_candidates(name: str) -> None:
    strategy = build(name, popsize=64, sigma=0.25)
    candidates, _ = strategy.ask(start(strategy, torch.zeros(200)), stream(0))
    assert float(candidates.std()) == pytest.approx(0.25, rel=0.05)


@every_strategy
@pytest.mark.parametrize("bad", [float("inf"), float("nan"), float("-inf")])
def test_rejected_candidates_count_as_worst(name: str, bad: float) -> None:
    strategy = build(name, popsize=16)
    candidates, asked = strategy.ask(start(strategy, torch.ones(6)), stream(0))
    fitness = sphere(candidates, stream(0))
    worst = fitness.argsort()[-3:]
    last = fitness.clone()
    last[worst] = 1e6  # a tie at the end, with ordinary numbers
    rejected = fitness.clone()
    rejected[worst] = bad
    moved, same = (strategy.tell(asked, candidates, f) for f in (rejected, last))
    torch.testing.assert_close(strategy.mean(moved), strategy.mean(same))
    assert bool(strategy.mean(moved).isfinite().all())


@every_strategy
def test_all_rejected_keeps_mean_and_step_and_goes_on(name: str) -> None:
    strategy = build(name, popsize=8)
    state = search(strategy, start(strategy, torch.ones(5)), sphere, range(4))
    candidates, asked = strategy.ask(state, stream(0, "a"))
    after = strategy.tell(asked, candidates, torch.full((8,), float("inf")))
    assert torch.equal(strategy.mean(after), strategy.mean(state))
    if "sigma" in state:
        assert torch.equal(after["sigma"], state["sigma"])
    again, _ = strategy.ask(after, stream(0, "b"))
    assert not torch.equal(again, candidates)


@every_strategy
def test_fitness_counts_by_its_order_alone(name: str) -> None:
    strategy = build(name, popsize=16)
    candidates, asked = strategy.ask(start(strategy, torch.ones(6)), stream(0))
    fitness = sphere(candidates, stream(0))
    reference, mapped = (strategy.tell(asked, candidates, f) for f in (fitness, (3.0 * fitness).exp() - 50.0))
    assert torch.equal(strategy.mean(reference), strategy.mean(mapped))


@every_strategy
def test_wrong_fields_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"popsize must be an (even )?integer of at least 2.*, got 1"):
        build(name, popsize=1)
    with pytest.raises(ConfigError, match=r"popsize must be an (even )?integer of at least 2.*, got 8\.0"):
        build(name, popsize=8.0)
    for sigma in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="sigma must be finite and above 0"):
            build(name, sigma=sigma)


@every_strategy
def test_wrong_tensors_are_refused(name: str) -> None:
    strategy = build(name, popsize=8)
    with pytest.raises(ConfigError, match=r"vector of shape .*, got torch.float32 of shape \(2, 3\)"):
        start(strategy, torch.ones(2, 3))
    with pytest.raises(ConfigError, match=r"floating-point vector .*, got torch.int64"):
        start(strategy, torch.ones(3, dtype=torch.int64))
    with pytest.raises(ConfigError, match="mean must be finite"):
        start(strategy, torch.tensor([1.0, float("nan")]))
    candidates, asked = strategy.ask(start(strategy, torch.ones(5)), stream(0))
    with pytest.raises(ConfigError, match=r"fitness has shape \(8, 1\), expected .* \(8,\)"):
        strategy.tell(asked, candidates, torch.zeros(8, 1))
    with pytest.raises(ConfigError, match=r"candidates have shape \(5, 8\), expected .* = \(8, 5\)"):
        strategy.tell(asked, candidates.T, torch.zeros(8))


@pytest.mark.parametrize(("name", "share"), [("es_comma", 2), ("es_plus", 4)])
def test_the_mean_is_made_of_the_parents_alone(name: str, share: int) -> None:
    strategy = build(name, popsize=16)
    candidates, asked = strategy.ask(start(strategy, torch.ones(6)), stream(0))
    fitness = sphere(candidates, stream(0))
    fitness[3] = float("nan")
    parents = strategy.parents_of(fitness)
    assert parents == fitness.nan_to_num(float("inf")).argsort()[: 16 // share].tolist()
    moved = torch.full_like(candidates, 7.0)
    moved[parents] = candidates[parents]
    means = [strategy.mean(strategy.tell(asked, given, fitness)) for given in (candidates, moved)]
    assert torch.equal(*means)
    other = candidates.clone()
    other[parents[-1]] += 1.0
    assert not torch.equal(strategy.mean(strategy.tell(asked, other, fitness)), means[0])


def test_parents_are_asked_again_in_their_order() -> None:
    strategy = build("es_plus", popsize=16)
    candidates, asked = strategy.ask(start(strategy, torch.ones(6)), stream(0))
    fitness = sphere(candidates, stream(0))
    following, _ = strategy.ask(strategy.tell(asked, candidates, fitness), stream(1))
    parents = strategy.parents_of(fitness)
    assert parents is not None
    assert torch.equal(following[: len(parents)], candidates[parents])


@pytest.mark.parametrize("name", ["open_es", "snes", "pycma"])
def test_a_strategy_that_does_not_choose_has_no_parents(name: str) -> None:
    assert build(name, popsize=8).parents_of(torch.arange(8.0)) is None
