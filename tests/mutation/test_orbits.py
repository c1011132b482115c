from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from evoloss.mutation.maps import MAPS, Logistic
from evoloss.mutation.orbits import WINDOW, Orbits, advance, start_orbits
from evoloss.random_streams import stream
from tests.sampling import sampled

NEVER = 10**9


class Rotation(Logistic):
    """Steps of 1 / length around a circle: exact in binary for a power of two, so each orbit is a cycle."""

    low = -1.0
    high = 2.0

    def __init__(self, length: int) -> None:
        object.__setattr__(self, "length", length)

    def step(self, point: Tensor) -> Tensor:
        return (point + 1.0 / self.length) % 1.0  # type: ignore[attr-defined]


class PeriodTwo(Logistic):
    """The logistic map at r = 3.2, where every orbit falls into one cycle of two values."""

    def step(self, point: Tensor) -> Tensor:
        return (3.2 * point) * (1.0 - point)


@pytest.mark.parametrize("name", sampled(MAPS, 2))
def test_long_run_has_no_dead_and_no_equal_chains(name: str) -> None:
    chaotic_map, generator = MAPS[name], stream(0, name)
    orbits = start_orbits(chaotic_map, (256,), generator)
    for step in range(10_240):
        orbits = advance(chaotic_map, orbits, NEVER, generator)
        if step % 64 == 0:
            assert len(orbits["point"][0].unique()) == 256
    tail = []
    for _ in range(64):
        orbits = advance(chaotic_map, orbits, NEVER, generator)
        tail.append(orbits["point"][0])
    values = torch.stack(tail)
    assert all(len(values[:, chain].unique()) == 64 for chain in range(256))


@pytest.mark.parametrize(
    ("name", "dead"),
    [
        ("logistic", 0.0),
        ("logistic", 1.0),
        ("logistic", 0.75),
        ("logistic", -1e-3),
        ("logistic", math.nan),
        ("tent", 0.0),
        ("sine", 0.0),
        ("chebyshev", 1.0),
        ("chebyshev", -0.5),
        ("gauss", math.nan),
        ("henon", 5.0),
        ("henon", math.inf),
    ],
)
def test_a_dead_chain_is_started_anew_and_the_others_run_on(name: str, dead: float) -> None:
    chaotic_map = MAPS[name]
    orbits = start_orbits(chaotic_map, (8,), stream(1, name))
    orbits["point"][:, 3] = dead
    after = advance(chaotic_map, orbits, NEVER, stream(2, name))
    others = [0, 1, 2, 4, 5, 6, 7]
    assert torch.equal(after["point"][:, others], chaotic_map.step(orbits["point"])[:, others])
    assert chaotic_map.low < float(after["point"][0, 3]) < chaotic_map.high
    values = []
    for _ in range(16):
        after = advance(chaotic_map, after, NEVER, stream(2, name))
        values.append(float(after["point"][0, 3]))
    assert len(set(values)) == 16


def test_a_fixed_point_inside_the_domain_really_is_one() -> None:
    fixed = torch.tensor([[0.75]], dtype=torch.float64)
    assert torch.equal(Logistic().step(fixed), fixed)


def _all_left_cycle(chaotic_map: Logistic, orbits: Orbits, steps: int) -> bool:
    untouched, left = orbits["point"], torch.zeros(orbits["point"].shape[1], dtype=torch.bool)
    generator = stream(3, "cycle")
    for _ in range(steps):
        orbits = advance(chaotic_map, orbits, NEVER, generator)
        untouched = chaotic_map.step(untouched)
        left |= orbits["point"][0] != untouched[0]
    return bool(left.all())


@pytest.mark.parametrize("length", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize("age", [0, 7, 31])
def test_cycles_up_to_the_window_are_found_within_two_windows(length: int, age: int) -> None:
    chaotic_map = Rotation(length)
    orbits = start_orbits(chaotic_map, (16,), stream(4, "start"))
    orbits["point"] = torch.arange(16, dtype=torch.float64).unsqueeze(0) / 1024
    orbits["reference"] = torch.full((16,), 0.3, dtype=torch.float64)
    orbits["steps"] = torch.tensor(age)
    assert _all_left_cycle(chaotic_map, orbits, 2 * WINDOW)


def test_longer_cycles_are_left_to_renewal() -> None:
    chaotic_map = Rotation(64)
    orbits = start_orbits(chaotic_map, (4,), stream(4, "start"))
    orbits["point"] = torch.arange(4, dtype=torch.float64).unsqueeze(0) / 1024
    assert not _all_left_cycle(chaotic_map, orbits, 256)


def test_a_two_cycle_that_rounding_leads_to_is_found() -> None:
    chaotic_map = PeriodTwo()
    point = chaotic_map.start(16, stream(5, "start"))
    for _ in range(2000):
        point = chaotic_map.step(point)
    assert torch.equal(chaotic_map.step(chaotic_map.step(point)), point)
    orbits = {"point": point, "reference": torch.zeros(16, dtype=torch.float64), "steps": torch.tensor(5)}
    assert _all_left_cycle(chaotic_map, orbits, 2 * WINDOW)


def test_each_chain_is_renewed_once_in_a_period_at_its_own_time() -> None:
    chaotic_map, generator = MAPS["tent"], stream(6, "run")
    orbits = start_orbits(chaotic_map, (10,), stream(6, "start"))
    renewed = torch.zeros(10, dtype=torch.int64)
    for _ in range(20):
        untouched = chaotic_map.step(orbits["point"])
        orbits = advance(chaotic_map, orbits, 20, generator)
        changed = (orbits["point"] != untouched)[0]
        assert int(changed.sum()) <= 1
        renewed += changed
    assert renewed.tolist() == [1] * 10


def test_advance_leaves_its_input_alone() -> None:
    orbits = start_orbits(MAPS["henon"], (4, 3), stream(7, "start"))
    before = {name: value.clone() for name, value in orbits.items()}
    for _ in range(2):
        advance(MAPS["henon"], orbits, 2, stream(7, "run"))
    assert all(torch.equal(orbits[name], before[name]) for name in before)
