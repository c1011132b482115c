from __future__ import annotations

import pytest
import torch

from evoloss.errors import ConfigError
from evoloss.networks import LOG_P_FLOOR, ClasswiseNetwork, LossTable, MonotoneNetwork
from evoloss.pairs import error_key
from tests.networks.populations import accepted, pairs_of

NETWORKS = [ClasswiseNetwork(), ClasswiseNetwork(hidden=(6,), activation="tanh"), MonotoneNetwork()]


@pytest.mark.parametrize("n_classes", [2, 10, 100])
@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_the_product_is_the_loss_within_the_stated_error(network: ClasswiseNetwork, n_classes: int) -> None:
    params = accepted(network, 6, 0, n_classes)
    log_probs, target = pairs_of(100, n_classes)
    log_probs = log_probs.clamp(min=LOG_P_FLOOR)
    table = LossTable(network)
    weights = table.weights(log_probs, target)
    losses = table.losses(table.tables(params, n_classes), weights)
    exact = network.losses(params, log_probs, target)
    assert losses.shape == (6, 100)
    assert losses.dtype == torch.float64
    # A loss is a sum of C terms, each off by the stated error at most (measured at points, hence 1 %).
    bound = 1.01 * n_classes * table.error(params, n_classes)[:, None] + 1e-9
    assert ((losses - exact).abs() <= bound).all()
    assert ((losses - exact).abs().amax(1) > 0).all()


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_the_error_falls_with_the_square_of_the_spacing(network: ClasswiseNetwork) -> None:
    params = accepted(network, 6, 1, 10)
    coarse, fine = (LossTable(network, n_grid).error(params, 10) for n_grid in (128, 255))
    assert (coarse / fine > 3.6).all()
    assert (coarse / fine < 4.2).all()


def test_the_stated_error_is_the_largest_in_between_the_nodes() -> None:
    network = NETWORKS[0]
    params = accepted(network, 4, 2, 10)
    table, form = LossTable(network, 16), network.form(params, 10)
    grid, tables = table.grid(params), table.tables(params, 10)
    worst = torch.zeros(4, dtype=torch.float64)
    for node in range(15):
        for share in torch.linspace(0, 1, 33, dtype=torch.float64):
            log_p = (1 - share) * grid[node] + share * grid[node + 1]
            for start, phi in ((0, network.phi_label), (16, network.phi_other)):
                between = (1 - share) * tables[:, start + node] + share * tables[:, start + node + 1]
                worst = torch.maximum(worst, (phi(params, form, log_p[None], 10)[:, 0] - between).abs())
    torch.testing.assert_close(table.error(params, 10), worst, rtol=0.02, atol=0)


def test_the_grid_runs_from_one_to_the_floor_and_is_dense_where_p_changes() -> None:
    grid = LossTable(NETWORKS[0]).grid(torch.zeros(1, dtype=torch.float64))
    assert grid[0] == 0
    assert grid[-1] == LOG_P_FLOOR
    assert (grid.diff() < 0).all()
    assert (grid.diff().diff() < 0).all()


@pytest.mark.parametrize("n_classes", [2, 10, 100])
@pytest.mark.parametrize("activation", ["silu", "softplus", "tanh"])
def test_few_couples_change_their_order_at_the_default_grid(activation: str, n_classes: int) -> None:
    network = ClasswiseNetwork(activation=activation)
    params = accepted(network, 12, 3, n_classes)
    log_probs, target = pairs_of(200, n_classes)
    table = LossTable(network)
    losses = table.losses(table.tables(params, n_classes), table.weights(log_probs, target))
    exact = network.losses(params, log_probs, target)
    one, other = torch.combinations(torch.arange(200)).T
    key = error_key("one_minus_p", log_probs, target)
    comparable = key[one] != key[other]
    flipped = torch.sign(exact[:, one] - exact[:, other]) != torch.sign(losses[:, one] - losses[:, other])
    share = flipped[:, comparable].double().mean(dim=1)
    assert share.median() <= 5e-4
    assert share.max() <= 1e-2  # random candidates: some are flat or undecided over much of the range


def test_nodes_are_exact() -> None:
    network = NETWORKS[0]
    params = accepted(network, 3, 4, 2)
    table = LossTable(network, 32)
    grid = table.grid(params)
    # Not normalised, but the loss is defined all the same: label and other class on two nodes.
    log_probs = torch.stack([grid, grid.flip(0)], dim=1)
    target = torch.zeros(32, dtype=torch.int64)
    losses = table.losses(table.tables(params, 2), table.weights(log_probs, target))
    torch.testing.assert_close(losses, network.losses(params, log_probs, target), rtol=1e-9, atol=1e-9)


def test_below_the_floor_the_label_goes_on_and_the_others_stay() -> None:
    network = NETWORKS[0]
    params = accepted(network, 4, 5, 2)
    table = LossTable(network)
    deep = LOG_P_FLOOR - torch.tensor([0.0, 1.0, 10.0, 30.0], dtype=torch.float64)
    right = torch.stack([torch.zeros(4, dtype=torch.float64), deep], dim=1)
    tables = table.tables(params, 2)
    wrong_label = table.losses(tables, table.weights(right, torch.ones(4, dtype=torch.int64)))
    exact = network.losses(params, right, torch.ones(4, dtype=torch.int64))
    # The table goes on with the slope of its last segment, which is that at the floor within a few percent.
    assert ((wrong_label - exact).abs() < 0.03 * exact.abs().amax(1, keepdim=True)).all()
    assert (exact.diff(dim=1).abs() > 0.05).all()
    right_label = table.losses(tables, table.weights(right, torch.zeros(4, dtype=torch.int64)))
    assert right_label.abs().max() < 1e-9


def test_too_few_nodes() -> None:
    with pytest.raises(ConfigError, match="n_grid must be at least 2, got 1"):
        LossTable(NETWORKS[0], 1)
