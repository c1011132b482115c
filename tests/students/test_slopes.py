from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evoloss.errors import ConfigError
from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.networks import (
    LOG_P_FLOOR,
    ClasswiseNetwork,
    MonotoneNetwork,
    SlopeFunctions,
    function_slopes,
)
from evoloss.students.joined_tables import join_tables
from evoloss.students.slope_tables import (
    MAX_RESOLUTION,
    Cells,
    n_cells,
    slope_error,
    smooth_slopes,
    tabulate_functions,
    tabulate_network,
    tabulate_slopes,
)
from tests.networks.populations import accepted, population

NETWORKS = [
    ClasswiseNetwork(),
    ClasswiseNetwork(hidden=(16, 16), activation="tanh"),
    ClasswiseNetwork(features="probs"),
    MonotoneNetwork(),
]
LIKE = torch.zeros(0, dtype=torch.float64)


def gce(q: float) -> SlopeFunctions:
    return torch.zeros_like, lambda log_p: -torch.exp(q * log_p)


def smoothing(epsilon: float, n_classes: int) -> SlopeFunctions:
    return (
        lambda log_p: torch.full_like(log_p, -epsilon / n_classes),
        lambda log_p: torch.full_like(log_p, -1 + epsilon - epsilon / n_classes),
    )


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_slopes_are_the_derivatives_of_the_canonical_functions(network: ClasswiseNetwork) -> None:
    params = accepted(network, 2, 0, 7)
    at = torch.tensor([0.0, -0.3, math.log(1 / 7), -9.0, 0.999 * LOG_P_FLOOR]).double().requires_grad_()
    slopes = network.slopes(params, 7)(at.detach())
    form = network.form(params, 7)
    assert slopes.shape == (2, 2, 5)
    for kind, phi in enumerate((network.phi_other, network.phi_label)):
        for candidate, value in enumerate(phi(params, form, at, 7)):
            (slope,) = torch.autograd.grad(value.sum(), at, retain_graph=True)
            torch.testing.assert_close(slopes[candidate, kind], slope, rtol=1e-7, atol=1e-10)


def test_below_the_floor_one_is_flat_and_the_other_straight() -> None:
    network = ClasswiseNetwork()
    params = accepted(network, 3, 0, 10)
    tables = tabulate_network(network, params, 10)
    at = torch.tensor([LOG_P_FLOOR, LOG_P_FLOOR - 1e-3, LOG_P_FLOOR * 1.1, -1e30, -math.inf]).double()
    for slopes in (network.slopes(params, 10)(at), tables.lookup(at)):
        assert (slopes[:, 0, 1:] == 0).all()
        tail = slopes[:, 1, -1:]
        torch.testing.assert_close(slopes[:, 1, 1:], tail.expand(3, 4), rtol=0, atol=1e-12)
        assert (tail != 0).all()


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_the_error_is_measured_and_falls_with_the_square_of_the_spacing(network: ClasswiseNetwork) -> None:
    params = accepted(network, 6, 0, 10)
    slopes = network.slopes(params, 10)
    errors = {}
    for resolution in (4, 6, 8):
        tables = tabulate_network(network, params, 10, resolution=resolution)
        errors[resolution] = slope_error(tables, slopes)
        log_p = LOG_P_FLOOR * torch.rand(4000, generator=torch.Generator().manual_seed(0)).double() ** 3
        found = (tables.lookup(log_p) - slopes(log_p)).abs().flatten(1).amax(dim=1)
        assert (found <= 1.05 * errors[resolution]).all()
    for coarse, fine in ((4, 6), (6, 8)):
        ratio = errors[coarse] / errors[fine]
        assert (ratio > 8).all()
        assert (ratio.median() - 16).abs() < 4
    relative = errors[8] / slopes(torch.linspace(LOG_P_FLOOR, 0, 999).double()).abs().flatten(1).amax(dim=1)
    assert relative.max() < 1e-3


def test_few_points_of_a_network_are_enough() -> None:
    network = ClasswiseNetwork(hidden=(16, 16))
    params = accepted(network, 8, 1, 10)
    slopes = network.slopes(params, 10)
    direct = tabulate_slopes(slopes, 10, like=params)
    smooth = tabulate_network(network, params, 10)
    difference = (
        direct.lookup(LIKE.new_tensor([-1.0, -20.0])) - smooth.lookup(LIKE.new_tensor([-1.0, -20.0]))
    ).abs()
    assert difference.max() < 1e-9
    at = torch.cat([torch.linspace(LOG_P_FLOOR, 0, 500).double(), LIKE.new_tensor([LOG_P_FLOOR - 1])])
    torch.testing.assert_close(smooth_slopes(slopes)(at), slopes(at), rtol=0, atol=1e-8)


def test_float32_is_as_good_as_its_rounding() -> None:
    network = ClasswiseNetwork()
    params = accepted(network, 6, 0, 10)
    log_p = torch.linspace(LOG_P_FLOOR * 0.999, 0, 2000)
    for resolution in (7, 11):
        wide = tabulate_network(network, params, 10, resolution=resolution).lookup(log_p.double())
        narrow = tabulate_network(network, params.float(), 10, resolution=resolution)
        assert narrow.intercepts.dtype == torch.float32
        size = wide.abs().flatten(1).amax(dim=1)[:, None, None]
        assert ((narrow.lookup(log_p) - wide).abs() / size).max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("resolution", [1, 7, MAX_RESOLUTION])
def test_every_log_probability_lies_between_the_nodes_of_its_cell(
    resolution: int, dtype: torch.dtype
) -> None:
    cells = Cells(resolution, dtype, torch.device("cpu"))
    log_p = torch.linspace(LOG_P_FLOOR * 0.9999, 0, 5001, dtype=dtype).flip(0)
    cell = cells.locate(log_p, torch.empty_like(log_p)) - cells.first
    assert cell[0] == 0
    assert (cell.diff() >= 0).all()
    assert cell[-1] == n_cells(resolution) - 2
    # The width of cells grows with 1 - log p as their number says: 2**resolution to each doubling of t.
    t = 1 + 63 * log_p.double() / LOG_P_FLOOR
    octave = torch.floor(torch.log2(t))
    expected = torch.floor((octave + t / 2**octave - 1) * 2**resolution)
    assert ((cell - expected).abs() <= 1).all()
    assert (cell == expected).double().mean() > 0.9


@given(
    values=st.lists(st.floats(width=32), min_size=1, max_size=20), resolution=st.integers(1, MAX_RESOLUTION)
)
@settings(deadline=None, max_examples=60)
def test_any_number_has_a_cell(values: list[float], resolution: int) -> None:
    for dtype in (torch.float32, torch.float64):
        log_p = torch.tensor(values, dtype=dtype)
        cells = Cells(resolution, dtype, torch.device("cpu"))
        cell = cells.locate(log_p, torch.empty_like(log_p)) - cells.first
        assert (cell >= 0).all()
        assert (cell < n_cells(resolution)).all()
        assert (cell[log_p >= 0] == 0).all()
        assert (cell[(log_p < LOG_P_FLOOR * 1.001)] == n_cells(resolution) - 1).all()


def test_known_losses_are_two_functions() -> None:
    tables = tabulate_functions([CrossEntropyLoss().slopes(10), gce(0.7), smoothing(0.1, 10)], 10, like=LIKE)
    log_p = LIKE.new_tensor([0.0, -0.5, -3.0, -60.0, -100.0])
    cross_entropy, generalised, smoothed = tables.lookup(log_p)
    assert torch.equal(cross_entropy, LIKE.new_tensor([[0.0], [-1.0]]).expand(2, 5))
    torch.testing.assert_close(generalised[1], -torch.exp(0.7 * log_p), rtol=0, atol=1e-5)
    # Below the floor, too, as the function goes on there.
    torch.testing.assert_close(smoothed[0], torch.full_like(log_p, -0.01), rtol=0, atol=1e-15)
    exact = function_slopes([CrossEntropyLoss().slopes(10), gce(0.7), smoothing(0.1, 10)])
    assert slope_error(tables, exact).tolist() == pytest.approx([0, 0, 0], abs=1e-5)


def test_known_losses_in_canonical_form() -> None:
    upside_down: SlopeFunctions = (torch.zeros_like, torch.ones_like)
    losses = [CrossEntropyLoss().slopes(10), gce(0.7), upside_down]
    tables = tabulate_functions(losses, 10, like=LIKE, canonical=True)
    assert tables.exists.tolist() == [True, True, False]
    other, label = tables.lookup(LIKE.new_tensor([-math.log(10)]))[:2, :, 0].T
    torch.testing.assert_close(other - label, torch.ones(2).double(), rtol=0, atol=1e-4)
    assert (tables.lookup(LIKE.new_tensor([-1.0]))[2] == 0).all()


def test_candidates_without_a_form_are_marked_and_harmless() -> None:
    network = ClasswiseNetwork()
    params = population(network, 40, 0)
    params[3] = math.nan
    params[5] *= 1e200
    tables = tabulate_network(network, params, 10)
    exists = network.form(params, 10).exists
    assert 0 < int(exists.sum()) < 40
    assert not exists[3]
    assert torch.equal(tables.exists, exists)
    assert tables.intercepts.isfinite().all()
    assert tables.gradients.isfinite().all()
    assert (tables.intercepts[~exists] == 0).all()
    alone = tabulate_network(network, params[exists], 10)
    torch.testing.assert_close(alone.intercepts, tables.intercepts[exists])


def test_slopes_that_are_not_finite_are_left_out() -> None:
    broken: SlopeFunctions = (torch.zeros_like, lambda log_p: 1 / log_p)
    tables = tabulate_functions([broken, CrossEntropyLoss().slopes(10)], 10, like=LIKE)
    assert tables.exists.tolist() == [False, True]
    assert tables.intercepts.isfinite().all()


def test_tables_can_be_joined_chosen_and_scaled() -> None:
    network = ClasswiseNetwork()
    params = accepted(network, 3, 0, 10)
    reference = tabulate_functions([CrossEntropyLoss().slopes(10)], 10, like=params)
    joined = join_tables([reference, tabulate_network(network, params, 10)])
    assert len(joined) == 4
    at = LIKE.new_tensor([-2.0])

    def same(made: Tensor, expected: Tensor) -> None:
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-12)

    same(joined[1:].lookup(at), tabulate_network(network, params, 10).lookup(at))
    same(joined[torch.tensor([2, 0])].lookup(at), joined.lookup(at)[[2, 0]])
    same(joined.times(0.5).lookup(at), 0.5 * joined.lookup(at))
    assert joined.to(torch.float32).intercepts.dtype == torch.float32


def test_errors() -> None:
    network = ClasswiseNetwork()
    params = accepted(network, 1, 0, 10, 5)
    with pytest.raises(ConfigError, match="resolution must be from 1 to 12 bits, got 13"):
        tabulate_network(network, params, 10, resolution=13)
    with pytest.raises(ConfigError, match=r"trained in float32 or float64, got torch\.float16"):
        tabulate_functions([CrossEntropyLoss().slopes(10)], 10, like=params.half())
    with pytest.raises(
        ConfigError, match=r"one class count, resolution and scale can be joined, got .*5.*10"
    ):
        join_tables([tabulate_network(network, params, 10), tabulate_network(network, params, 5)])
