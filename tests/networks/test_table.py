from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy import interpolate

from evoloss.errors import ConfigError
from evoloss.networks import (
    LOG_P_FLOOR,
    BalancedNetwork,
    BasisNetwork,
    ClasswiseNetwork,
    LossTable,
    MixtureNetwork,
    MonotoneNetwork,
)
from evoloss.pairs import error_key
from tests.networks.populations import accepted, pairs_of
from tests.sampling import sampled

NETWORKS = [
    ClasswiseNetwork(),
    ClasswiseNetwork(hidden=(6,), activation="tanh"),
    MonotoneNetwork(),
    BalancedNetwork(),
    BasisNetwork(),
    MixtureNetwork(),
]


@pytest.mark.parametrize("n_classes", [2, 10, 100])
@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_the_product_is_the_loss_within_the_stated_error(network: ClasswiseNetwork, n_classes: int) -> None:
    params = accepted(network, 6, 0, n_classes)
    log_probs, target = pairs_of(100, n_classes)
    log_probs = log_probs.clamp(min=LOG_P_FLOOR)
    table = LossTable(network)
    losses = table.tables(params, n_classes) @ table.weights(log_probs, target).T
    exact = network.losses(params, log_probs, target)
    assert losses.shape == (6, 100)
    assert losses.dtype == torch.float64
    # A loss is a sum of C terms, each off by the stated error at most (measured at points, hence 1 %).
    bound = 1.01 * n_classes * table.error(params, n_classes)[:, None] + 1e-9
    assert ((losses - exact).abs() <= bound).all()
    assert ((losses - exact).abs().amax(1) > 0).all()


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_the_error_falls_with_the_fourth_power_of_the_spacing(network: ClasswiseNetwork) -> None:
    params = accepted(network, 6, 1, 10)
    coarse, fine = (LossTable(network, n_grid).error(params, 10) for n_grid in (65, 129))
    assert (coarse / fine > 12).all()
    assert (coarse / fine < 20).all()


def test_the_stated_error_is_the_largest_in_between_the_nodes() -> None:
    """Against SciPy's spline through the same nodes, at points of our own."""
    network = NETWORKS[0]
    params = accepted(network, 4, 2, 10)
    table, form = LossTable(network, 16), network.form(params, 10)
    grid = table.grid(params)
    u = torch.linspace(0, math.log1p(-LOG_P_FLOOR), 3001, dtype=torch.float64)
    log_p = (1 - u.exp()).clamp(min=LOG_P_FLOOR)
    worst = torch.zeros(4, dtype=torch.float64)
    for of_label in (True, False):
        at_nodes, exact = (
            network.phi_label(params, form, at, 10) - network.phi_other(params, form, at, 10)
            if of_label
            else network.phi_other(params, form, at, 10)
            for at in (grid, log_p)
        )
        spline = interpolate.make_interp_spline(torch.log1p(-grid), at_nodes.T, k=3)
        between = torch.from_numpy(spline(u.clamp(max=float(torch.log1p(-grid[-1]))))).T
        worst = torch.maximum(worst, (exact - between).abs().amax(1))
    torch.testing.assert_close(table.error(params, 10), worst, rtol=0.02, atol=0)


def test_the_grid_runs_from_one_to_the_floor_and_is_dense_where_p_changes() -> None:
    grid = LossTable(NETWORKS[0]).grid(torch.zeros(1, dtype=torch.float64))
    assert grid[0] == 0
    assert grid[-1] == LOG_P_FLOOR
    assert (grid.diff() < 0).all()
    assert (grid.diff().diff() < 0).all()


@pytest.mark.parametrize(
    ("hidden", "activation", "n_classes"),
    sampled(itertools.product([(8, 8), (16, 16)], ["silu", "softplus", "tanh"], [2, 10, 100, 1000]), 5),
)
def test_few_couples_change_their_order_at_the_default_grid(
    activation: str, hidden: tuple[int, ...], n_classes: int
) -> None:
    """Against the network itself in float64, over all couples of random candidates, the hardest there are."""
    network = ClasswiseNetwork(activation=activation, hidden=hidden)
    params = accepted(network, 12, 3, n_classes)
    log_probs, target = pairs_of(200, n_classes)
    one, other = torch.combinations(torch.arange(200)).T
    key = error_key("one_minus_p", log_probs, target)
    comparable = key[one] != key[other]
    exact = network.losses(params, log_probs, target)
    order = torch.sign(exact[:, one] - exact[:, other])

    def flips(gap: torch.Tensor) -> torch.Tensor:
        return (torch.sign(gap) != order)[:, comparable].double().mean(dim=1)

    table = LossTable(network)
    by_dtype = {}
    for dtype in (torch.float64, torch.float32):
        weights = table.weights(log_probs.to(dtype), target)
        by_dtype[dtype] = flips(table.tables(params.to(dtype), n_classes) @ (weights[one] - weights[other]).T)
    assert by_dtype[torch.float64].max() <= 1e-3
    assert by_dtype[torch.float32].mean() <= 3e-4
    # Single candidates are so flat that float32 cannot tell their losses apart, with or without a table.
    direct = network.losses(params.float(), log_probs.float(), target)
    allowed = flips(direct[:, one] - direct[:, other]).clamp(min=1e-3)
    assert (by_dtype[torch.float32] <= allowed).all()


def test_nodes_are_exact() -> None:
    network = NETWORKS[0]
    params = accepted(network, 3, 4, 2)
    table = LossTable(network, 32)
    grid = table.grid(params)
    # Not normalised, but the loss is defined all the same: label and other class on two nodes.
    log_probs = torch.stack([grid, grid.flip(0)], dim=1)
    target = torch.zeros(32, dtype=torch.int64)
    losses = table.tables(params, 2) @ table.weights(log_probs, target).T
    torch.testing.assert_close(losses, network.losses(params, log_probs, target), rtol=1e-9, atol=1e-9)


def test_below_the_floor_the_label_goes_on_and_the_others_stay() -> None:
    network = NETWORKS[0]
    params = accepted(network, 4, 5, 2)
    table = LossTable(network)
    deep = LOG_P_FLOOR - torch.tensor([0.0, 1.0, 10.0, 30.0], dtype=torch.float64)
    right = torch.stack([torch.zeros(4, dtype=torch.float64), deep], dim=1)
    tables = table.tables(params, 2)
    wrong_label = tables @ table.weights(right, torch.ones(4, dtype=torch.int64)).T
    exact = network.losses(params, right, torch.ones(4, dtype=torch.int64))
    torch.testing.assert_close(wrong_label, exact, rtol=1e-9, atol=1e-9)
    assert (exact.diff(dim=1).abs() > 0.05).all()
    right_label = tables @ table.weights(right, torch.zeros(4, dtype=torch.int64)).T
    assert right_label.abs().max() < 1e-9


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_columns_that_stand_for_many_classes(dtype: torch.dtype) -> None:
    """A column of count m is m classes of that probability: as if each had its own column."""
    network, counts = NETWORKS[0], torch.tensor([1, 1, 3, 5])
    params = accepted(network, 4, 6, 10).to(dtype)
    shares = torch.tensor([[0.5, 0.2, 0.05, 0.03], [0.01, 0.01, 0.31, 0.01]], dtype=dtype).log()
    target = torch.tensor([0, 2])
    table = LossTable(network)
    grouped = table.tables(params, 10) @ table.weights(shares, target, counts).T
    spelled_out = torch.repeat_interleave(shares, counts, dim=1)
    exact = network.losses(params.double(), spelled_out.double(), target)
    bound = 1.01 * 10 * table.error(params.double(), 10)[:, None] + (1e-4 if dtype == torch.float32 else 1e-9)
    assert ((grouped - exact).abs() <= bound).all()


def test_too_few_nodes() -> None:
    with pytest.raises(ConfigError, match="n_grid must be at least 5, got 4"):
        LossTable(NETWORKS[0], 4)
