from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from evoloss.mutation.maps import MAPS, ChaoticMap, Henon
from evoloss.mutation.orbits import advance, start_orbits
from evoloss.random_streams import stream

ONE_DIMENSIONAL = [name for name, chaotic_map in MAPS.items() if chaotic_map.dimension == 1]


def test_names() -> None:
    assert list(MAPS) == ["logistic", "tent", "sine", "chebyshev", "gauss", "henon"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("logistic", 0.3, 0.84),
        ("tent", 0.2, 0.2 / 0.49),
        ("tent", 0.7, 0.3 / 0.51),
        ("sine", 0.25, math.sqrt(0.5)),
        ("chebyshev", 0.3, math.cos(4.0 * math.acos(0.3))),
        ("gauss", 0.2, math.exp(-12.0 * 0.04) - 0.48270609454010327),
    ],
)
def test_step_is_the_formula(name: str, value: float, expected: float) -> None:
    point = torch.tensor([[value]], dtype=torch.float64)
    assert MAPS[name].step(point).item() == pytest.approx(expected, abs=1e-14)


def test_henon_step_is_the_formula() -> None:
    point = torch.tensor([[0.5], [0.1]], dtype=torch.float64)
    torch.testing.assert_close(
        Henon().step(point), torch.tensor([[1.0 - 1.4 * 0.25 + 0.1], [0.15]], dtype=torch.float64)
    )


@pytest.mark.parametrize("name", list(MAPS))
def test_long_orbits_have_mean_0_and_variance_1(name: str) -> None:
    chaotic_map = MAPS[name]
    generator = stream(0, name)
    orbits = start_orbits(chaotic_map, (1500,), generator)
    total = torch.zeros(1500, dtype=torch.float64)
    square = torch.zeros_like(total)
    exponential = torch.zeros_like(total)
    for _ in range(1500):
        orbits = advance(chaotic_map, orbits, 10**9, generator)
        value = chaotic_map.standardise(orbits["point"])
        total, square, exponential = total + value, square + value.square(), exponential + value.exp()
    assert abs(float(total.mean()) / 1500) < 0.004
    assert float(square.mean()) / 1500 == pytest.approx(1.0, abs=0.004)
    assert float(exponential.mean()) / 1500 == pytest.approx(chaotic_map.expectation_of_exp(1.0), abs=0.005)
    # Each chain for itself: an orbit that got stuck would show here and not in the average over chains.
    assert float((square / 1500).min()) > 0.8
    assert float((square / 1500).max()) < 1.2


@pytest.mark.parametrize("name", list(MAPS))
def test_start_is_in_the_invariant_density(name: str) -> None:
    value = MAPS[name].standardise(MAPS[name].start(100_000, stream(3, name)))
    assert value.shape == (100_000,)
    assert value.dtype == torch.float64
    assert abs(float(value.mean())) < 0.015
    assert float(value.var()) == pytest.approx(1.0, abs=0.015)


@pytest.mark.parametrize("name", list(MAPS))
def test_values_stay_in_the_domain(name: str) -> None:
    chaotic_map = MAPS[name]
    point = chaotic_map.start(1000, stream(4, name))
    for _ in range(100):
        point = chaotic_map.step(point)
        assert bool(((point[0] >= chaotic_map.low) & (point[0] <= chaotic_map.high)).all())


@pytest.mark.parametrize(
    ("name", "cdf"),
    [
        ("logistic", lambda x: 2.0 / math.pi * math.asin(math.sqrt(x))),
        ("tent", lambda x: x),
        ("chebyshev", lambda x: 1.0 - math.acos(x) / math.pi),
    ],
)
def test_known_densities(name: str, cdf) -> None:  # type: ignore[no-untyped-def]
    chaotic_map = MAPS[name]
    point = chaotic_map.start(200_000, stream(5, name))
    for _ in range(20):
        point = chaotic_map.step(point)
    for x in (0.05, 0.2, 0.5, 0.8, 0.95):
        assert float((point[0] < x).double().mean()) == pytest.approx(cdf(x), abs=0.005)


def _ulam(chaotic_map: ChaoticMap, cells: int = 6000, points: int = 50) -> tuple[float, float]:
    """Mean and standard deviation of the invariant density by Ulam's method: no orbit is followed.

    The cells are even in the angle a of x = sin(a)^2 (scaled to the domain), in which the square-root
    singularities that these densities have at the ends are gone.
    """
    width = math.pi / 2.0 / cells
    angle = width * (torch.arange(cells * points, dtype=torch.float64) + 0.5) / points
    span = chaotic_map.high - chaotic_map.low
    image = chaotic_map.step((chaotic_map.low + span * angle.sin().square()).unsqueeze(0))[0]
    image_angle = ((image - chaotic_map.low) / span).clamp(0.0, 1.0).sqrt().asin()
    target = (image_angle / width).long().clamp(0, cells - 1).numpy()
    source = np.repeat(np.arange(cells), points)
    mass = np.full(cells, 1.0 / cells)
    for _ in range(100):
        mass = np.bincount(target, weights=mass[source] / points, minlength=cells)
    centre = chaotic_map.low + span * np.sin(width * (np.arange(cells) + 0.5)) ** 2
    average = float(mass @ centre)
    return average, math.sqrt(float(mass @ (centre - average) ** 2))


@pytest.mark.parametrize("name", ONE_DIMENSIONAL)
def test_moments_agree_with_the_transfer_operator(name: str) -> None:
    average, std = _ulam(MAPS[name])
    assert average == pytest.approx(MAPS[name].average, abs=0.002)
    assert std == pytest.approx(MAPS[name].std, abs=0.002)


@pytest.mark.parametrize("name", list(MAPS))
def test_rule_is_standardised(name: str) -> None:
    nodes, weights = MAPS[name].rule
    assert math.fsum(weights) == pytest.approx(1.0, abs=5e-5)
    assert math.fsum(w * z for z, w in zip(nodes, weights, strict=True)) == pytest.approx(0.0, abs=5e-5)
    assert math.fsum(w * z * z for z, w in zip(nodes, weights, strict=True)) == pytest.approx(1.0, abs=5e-5)


def test_expectations_of_the_known_densities() -> None:
    # E exp(t sqrt(2) cos U) is the Bessel function I0(t sqrt 2); E exp of a uniform is sinh(w) / w.
    bessel = float(torch.special.i0(torch.tensor(math.sqrt(2.0), dtype=torch.float64)))
    assert MAPS["logistic"].expectation_of_exp(1.0) == pytest.approx(bessel, rel=1e-12)
    assert MAPS["chebyshev"].expectation_of_exp(1.0) == pytest.approx(bessel, rel=1e-12)
    assert MAPS["tent"].expectation_of_exp(1.0) == pytest.approx(
        math.sinh(math.sqrt(3.0)) / math.sqrt(3.0), rel=1e-6
    )
