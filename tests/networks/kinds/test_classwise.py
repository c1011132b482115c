from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.networks import LOG_P_FLOOR, ClasswiseNetwork, Features
from evoloss.random_streams import stream
from tests.networks.populations import accepted, pairs_of, population, reference_losses, reference_slope

NETWORK = ClasswiseNetwork()


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("features", ["log_probs", "probs"])
@pytest.mark.parametrize("activation", ["softplus", "silu", "tanh"])
def test_losses_follow_the_definition(activation: str, features: Features, n_classes: int) -> None:
    network = ClasswiseNetwork(hidden=(6, 3), activation=activation, features=features)
    params = accepted(network, 4, 0, n_classes)
    log_probs, target = pairs_of(40, n_classes)
    log_probs = log_probs.clamp(min=LOG_P_FLOOR)  # below it the definition goes on differently
    losses = network.losses(params, log_probs, target)
    assert losses.shape == (4, 40)
    for row, loss in zip(params, losses, strict=True):
        reference = reference_losses(network, row, log_probs, target)
        scale = float(reference.abs().max())
        torch.testing.assert_close(loss, reference, rtol=1e-9, atol=1e-11 * scale)


def test_a_candidate_does_not_see_the_others() -> None:
    params = accepted(NETWORK, 5, 1, 10)
    log_probs, target = pairs_of(30, 10)
    together = NETWORK.losses(params, log_probs, target)
    for position in range(5):
        alone = NETWORK.losses(params[position : position + 1], log_probs, target)[0]
        torch.testing.assert_close(together[position], alone, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("n_classes", [2, 3, 10, 100, 1000])
def test_losses_are_class_costs_at_the_label(n_classes: int) -> None:
    params = accepted(NETWORK, 2, 2, n_classes)
    log_probs, target = pairs_of(20, n_classes)
    losses = NETWORK.losses(params, log_probs, target)
    for row, loss in zip(params, losses, strict=True):
        costs = NETWORK.class_costs(row, log_probs)
        assert costs.shape == (20, n_classes)
        gathered = costs.gather(1, target[:, None]).squeeze(1)
        torch.testing.assert_close(loss, gathered, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31), n_classes=st.integers(2, 40))
def test_classes_have_no_names(seed: int, n_classes: int) -> None:
    params = population(NETWORK, 1, seed)[0]
    log_probs, target = pairs_of(8, n_classes, seed)
    order = torch.randperm(n_classes, generator=stream(seed, "names"))
    costs, renamed = NETWORK.class_costs(params, log_probs), NETWORK.class_costs(params, log_probs[:, order])
    digits = {"rtol": 1e-8, "atol": 1e-8 * float(costs.abs().max())}
    torch.testing.assert_close(renamed, costs[:, order], **digits)
    moved = NETWORK.losses(params[None], log_probs[:, order], order.argsort()[target])
    torch.testing.assert_close(moved, NETWORK.losses(params[None], log_probs, target), **digits)


def test_a_hundred_thousand_classes() -> None:
    params = accepted(NETWORK, 1, 3, 100_000)
    log_probs, target = pairs_of(2, 100_000)
    assert NETWORK.losses(params, log_probs, target).isfinite().all()


def test_the_label_goes_on_below_the_floor_and_the_others_stay() -> None:
    params = accepted(NETWORK, 4, 4, 10)
    form = NETWORK.form(params, 10)
    log_p = LOG_P_FLOOR + torch.tensor([0.0, -1.0, -10.0, -1e4, -1e6], dtype=torch.float64)
    label = NETWORK.phi_label(params, form, log_p, 10)
    slopes = params.new_tensor([[reference_slope(NETWORK, row, LOG_P_FLOOR, True, 10)] for row in params])
    expected = label[:, :1] + form.scale * slopes * (log_p - LOG_P_FLOOR)
    torch.testing.assert_close(label, expected, rtol=1e-9, atol=1e-9)
    assert not NETWORK.phi_other(params, form, log_p, 10).any()


def test_the_pull_on_a_label_is_continuous_at_the_floor() -> None:
    params = accepted(NETWORK, 3, 5, 10)
    log_p = LOG_P_FLOOR + torch.tensor([1e-9, 0.0, -1e-9, -500.0], dtype=torch.float64)
    log_p.requires_grad_()
    form = NETWORK.form(params, 10)
    for position in range(3):
        phi = NETWORK.phi_label(params, form, log_p, 10)[position]
        (slope,) = torch.autograd.grad(phi.sum(), log_p)
        torch.testing.assert_close(slope, slope[:1].expand(4), rtol=1e-6, atol=0)


def test_log_zero() -> None:
    params = accepted(NETWORK, 2, 6, 3)
    log_probs = torch.tensor([[math.log(0.4), math.log(0.6), -math.inf]], dtype=torch.float64)
    floored = log_probs.clamp(min=LOG_P_FLOOR)
    for row in params:
        costs = NETWORK.class_costs(row, log_probs)[0]
        # As a wrong class, probability 0 costs what the floor costs: nothing.
        torch.testing.assert_close(costs[:2], NETWORK.class_costs(row, floored)[0, :2])
        assert costs[2].isinf()
    assert torch.isfinite(NETWORK.losses(params, log_probs, torch.tensor([0]))).all()


def test_the_class_count_is_a_feature_and_probabilities_can_be_the_only_ones() -> None:
    log_p = torch.tensor([-1.0, -8.0], dtype=torch.float64)
    rows = ClasswiseNetwork().inputs(log_p, True, 100)
    p = log_p.exp()
    one, count = torch.ones_like(p), torch.full_like(p, math.log(100) / 4)
    torch.testing.assert_close(rows, torch.stack([log_p / 4, p, one, count], 1))
    only = ClasswiseNetwork(features="probs").inputs(log_p, False, 100)
    torch.testing.assert_close(only, torch.stack([p, 0 * one, count], 1))


@pytest.mark.parametrize("features", ["log_probs", "probs"])
def test_tangents_are_the_derivative_of_the_inputs(features: Features) -> None:
    network = ClasswiseNetwork(features=features)
    log_p = torch.linspace(-20, 0, 7, dtype=torch.float64)
    _, expected = torch.autograd.functional.jvp(
        lambda x: network.inputs(x, False, 10), log_p, torch.ones_like(log_p)
    )
    torch.testing.assert_close(network.tangents(log_p, False, 10), expected)


def test_wrong_fields() -> None:
    with pytest.raises(UnknownNameError, match=r"no feature set 'logits'\. Known: log_probs, probs"):
        ClasswiseNetwork(features="logits")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="no activation 'relu'"):
        ClasswiseNetwork(activation="relu")
    with pytest.raises(ConfigError, match="hidden must name at least one layer"):
        ClasswiseNetwork(hidden=())
