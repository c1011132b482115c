from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from evoloss.errors import ConfigError
from evoloss.networks import LOG_P_FLOOR, Features, MonotoneNetwork
from evoloss.pairs import label_log_probs, move_mass
from evoloss.random_streams import stream
from tests.networks.populations import pairs_of, population, reference_raw_phi

networks = st.builds(
    MonotoneNetwork,
    hidden=st.sampled_from([(4,), (8, 8), (3, 5, 2)]),
    activation=st.sampled_from(["softplus", "tanh"]),
)


@settings(deadline=None, max_examples=25)
@given(network=networks, n_classes=st.integers(2, 20), seed=st.integers(0, 2**31))
def test_moving_mass_off_the_label_costs_more(network: MonotoneNetwork, n_classes: int, seed: int) -> None:
    params = 2 * population(network, 5, seed)
    params = params[network.form(params, n_classes).exists]
    log_probs, target = pairs_of(40, n_classes, seed)
    moved = move_mass(log_probs, target, stream(seed, "move"))
    before, after = (network.losses(params, prediction, target) for prediction in (log_probs, moved))
    gap, rounding = after - before, 1e-12 * n_classes * before.abs().amax(1, keepdim=True)
    assert (gap > -rounding).all()
    # Where tanh is flat to the last digit, or 1 - p is below the resolution of a sum, only a tie is certain.
    if network.activation == "softplus":
        log_p = label_log_probs(log_probs, target)
        seen = (log_p < -1e-3) & (log_p > LOG_P_FLOOR / 2)
        assert (gap > 0)[:, seen].all()


@settings(deadline=None, max_examples=25)
@given(network=networks, seed=st.integers(0, 2**31))
def test_phi_falls_for_the_label_and_rises_for_the_others(network: MonotoneNetwork, seed: int) -> None:
    params = population(network, 5, seed)
    form = network.form(params, 10)
    log_p = torch.linspace(LOG_P_FLOOR, 0, 200, dtype=torch.float64)
    label, other = network.phi_label(params, form, log_p, 10), network.phi_other(params, form, log_p, 10)
    assert (label.diff(dim=1) <= 1e-12 * label.abs().amax()).all()
    assert (other.diff(dim=1) >= -1e-12 * other.abs().amax()).all()
    assert (label[:, 0] > label[:, -1]).all()
    assert (other[:, -1] > other[:, 0]).all()


@pytest.mark.parametrize("features", ["log_probs", "probs"])
def test_only_what_carries_the_probability_is_made_positive(features: Features) -> None:
    network = MonotoneNetwork(hidden=(5, 4), features=features)
    signed = 2 if features == "log_probs" else 1
    params = population(network, 3, 0)
    constrained = network.constrain(params)
    assert constrained.shape == params.shape
    for layer, ((free, bias), (weight, kept)) in enumerate(
        zip(network.mlp.layers(params), network.mlp.layers(constrained), strict=True)
    ):
        assert torch.equal(bias, kept)
        rows = signed if layer == 0 else weight.shape[1]
        # softplus(x) * 2 / fan-in, with a fan-in of at least 2
        torch.testing.assert_close(weight[:, :rows], F.softplus(free[:, :rows]) * 2 / max(rows, 2))
        assert torch.equal(weight[:, rows:], free[:, rows:])


def test_phi_is_the_classwise_network_with_flipped_features() -> None:
    network = MonotoneNetwork(hidden=(6,))
    params = population(network, 1, 1)
    weights = network.constrain(params)
    log_p = torch.tensor([-30.0, -2.0, -0.1], dtype=torch.float64)
    raw = network.mlp.value(network.mlp.layers(weights), network.inputs(log_p, False, 10))[0]
    torch.testing.assert_close(raw, reference_raw_phi(network, weights[0], log_p, False, 10).detach())
    label, unmodified = (
        network.inputs(log_p, True, 10),
        super(MonotoneNetwork, network).inputs(log_p, True, 10),
    )
    torch.testing.assert_close(label, unmodified * torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64))


def test_an_activation_that_falls_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"needs an activation of \('softplus', 'tanh'\), got 'silu'"):
        MonotoneNetwork(activation="silu")
