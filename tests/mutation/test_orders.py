from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy import stats
from torch import Tensor

from evoloss.mutation import MAPS, Chaotic
from evoloss.mutation.chaotic import Drives
from evoloss.mutation.orbits import advance
from evoloss.mutation.orders import SHUFFLE_WINDOW, Order
from evoloss.random_streams import stream

NEVER = 10**9
DETACHED: tuple[Order, ...] = ("independent", "shuffled")


def run(mutation: Chaotic, popsize: int, n_params: int, generations: int) -> Tensor:
    """Noise of shape ``(generations, popsize, n_params)``."""
    generator = stream(0, "run")
    state = mutation.init(popsize, n_params, generator)
    samples = []
    for _ in range(generations):
        noise, state = mutation.sample(state, generator)
        samples.append(noise.double())
    return torch.stack(samples)


def correlation(first: Tensor, second: Tensor) -> float:
    return float(torch.corrcoef(torch.stack((first.flatten(), second.flatten())))[0, 1])


@pytest.mark.parametrize("order", DETACHED)
@pytest.mark.parametrize("name", list(MAPS))
def test_moments_are_those_of_the_orbit(name: str, order: Order) -> None:
    noise = run(Chaotic(map=name, order=order), 64, 40, 128)
    orbit = run(Chaotic(map=name), 64, 40, 128)
    for power, tolerance in ((1, 0.02), (2, 0.02), (3, 0.05), (4, 0.08)):
        expected = float(orbit.pow(power).mean())
        assert float(noise.pow(power).mean()) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("name", list(MAPS))
def test_independent_draws_have_the_density_of_the_orbit(name: str) -> None:
    noise = run(Chaotic(map=name, order="independent"), 100, 30, 1).flatten()
    # Many independent orbits after ten steps: independent values of the invariant density.
    orbit = run(Chaotic(map=name), 100, 30, 10)[-1].flatten()
    assert stats.ks_2samp(noise.numpy(), orbit.numpy()).pvalue > 0.01


@pytest.mark.parametrize("order", DETACHED)
def test_the_logistic_density_is_the_arcsine(order: Order) -> None:
    noise = run(Chaotic(order=order), 100, 30, 1).flatten()
    arcsine = stats.arcsine(loc=-(2**0.5), scale=2 * 2**0.5)
    assert stats.kstest(noise.numpy(), arcsine.cdf).pvalue > 0.01


@pytest.mark.parametrize("order", DETACHED)
@pytest.mark.parametrize("name", ["logistic", "henon"])
def test_the_dependence_in_time_is_gone(name: str, order: Order) -> None:
    orbit = run(Chaotic(map=name, renew_every=NEVER), 64, 40, 120)
    noise = run(Chaotic(map=name, order=order, renew_every=NEVER), 64, 40, 120)
    for now, following in ((1, 1), (2, 2), (2, 1)):
        # A window without replacement: -1/63 between two of its values at most.
        assert abs(correlation(noise[:-1].pow(now), noise[1:].pow(following))) < 0.025
    # The logistic orbit is uncorrelated, yet z' = sqrt(2) (1 - z^2); Henon's is correlated itself.
    now = 2 if name == "logistic" else 1
    assert correlation(orbit[:-1].pow(now), orbit[1:]) < -0.25


def test_a_shuffled_window_holds_the_orbits_values_each_in_its_own_order() -> None:
    mutation, chaotic_map = Chaotic(order="shuffled", renew_every=NEVER), MAPS["logistic"]
    state = mutation.init(3, 5, stream(1, "init"))
    orbits = {name: state[f"direction.{name}"] for name in ("point", "reference", "steps")}
    expected, found = [], []
    for generation in range(2 * SHUFFLE_WINDOW):
        orbits = advance(chaotic_map, orbits, NEVER, stream(1, "unused"))
        expected.append(chaotic_map.standardise(orbits["point"]))
        noise, state = mutation.sample(state, stream(1, "ask", generation))
        found.append(noise)
    for half in (slice(0, SHUFFLE_WINDOW), slice(SHUFFLE_WINDOW, None)):
        values, shuffled = torch.stack(expected)[half], torch.stack(found)[half]
        assert torch.equal(values.sort(0).values, shuffled.sort(0).values)
        ranks = shuffled.argsort(0).flatten(1).T
        assert len({tuple(rank.tolist()) for rank in ranks}) == 15


@pytest.mark.parametrize("order", DETACHED)
def test_step_lengths_keep_their_spread_and_lose_their_order(order: Order) -> None:
    logs = []
    state = (mutation := Chaotic(drives="step", order=order)).init(300, 40, stream(2, "init"))
    for generation in range(40):
        noise, state = mutation.sample(state, stream(2, "ask", generation))
        logs.append(noise.double().square().mean(1).log() / 2)
    lengths = torch.stack(logs)
    # 40 coordinates measure the length's logarithm with an error of about 0.11.
    assert float(lengths.std()) == pytest.approx((0.5**2 + 0.11**2) ** 0.5, abs=0.03)
    assert abs(correlation(lengths[1:].square(), lengths[:-1].square())) < 0.06


@pytest.mark.parametrize("drives", ["direction", "step", "both"])
@pytest.mark.parametrize("order", DETACHED)
def test_state_survives_a_file_within_a_window(drives: Drives, order: Order, tmp_path: Path) -> None:
    mutation = Chaotic(map="henon", drives=drives, order=order)
    state = mutation.init(4, 6, stream(3, "init"))
    for generation in range(20):
        _, state = mutation.sample(state, stream(3, "ask", generation))
    save_file(state, tmp_path / "state.safetensors")
    resumed = load_file(tmp_path / "state.safetensors")
    for generation in range(20, 20 + SHUFFLE_WINDOW + 5):
        straight, state = mutation.sample(state, stream(3, "ask", generation))
        again, resumed = mutation.sample(resumed, stream(3, "ask", generation))
        assert torch.equal(straight, again)


def test_independent_draws_remember_the_shape_alone() -> None:
    assert Chaotic(drives="both", order="independent").init(2, 3, stream(4, "init")).keys() == {"shape"}
