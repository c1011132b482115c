"""The canonical form: a perfect prediction costs 0, cross-entropy's gradient at uniform, or a rejection."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from evoloss.networks import (
    LOG_P_FLOOR,
    BalancedNetwork,
    BasisNetwork,
    ClasswiseNetwork,
    ConcatNetwork,
    LossNetwork,
    MixtureNetwork,
    MonotoneNetwork,
)
from tests.networks.populations import accepted, one_hot_log_probs, pairs_of, population

ANY_COUNT = [
    ClasswiseNetwork(),
    ClasswiseNetwork(hidden=(6,), activation="tanh"),
    ClasswiseNetwork(activation="softplus", features="probs"),
    MonotoneNetwork(),
    MonotoneNetwork(activation="tanh", features="probs"),
    BalancedNetwork(),
    BasisNetwork(),
    MixtureNetwork(),
]


def last_layer(network: LossNetwork, params: Tensor, factor: float) -> Tensor:
    """The same candidates with their last layer's weights multiplied."""
    width = network.hidden[-1]
    return torch.cat([params[:, :-width], factor * params[:, -width:]], dim=1)


def label_gradients_at_uniform(network: LossNetwork, params: Tensor, n_classes: int) -> Tensor:
    """dL/dz_y at equal logits for each candidate and every tenth of the labels, ``(popsize, labels)``."""
    labels = torch.arange(n_classes)[:: max(1, n_classes // 10)]
    rows = []
    for row in params:
        logits = torch.zeros(len(labels), n_classes, dtype=params.dtype, requires_grad=True)
        losses = network.losses(row[None], torch.log_softmax(logits, dim=1), labels)
        (gradient,) = torch.autograd.grad(losses.sum(), logits)
        rows.append(gradient.gather(1, labels[:, None]).squeeze(1))
    return torch.stack(rows)


@pytest.mark.parametrize("n_classes", [2, 3, 10, 100, 1000])
@pytest.mark.parametrize("network", ANY_COUNT, ids=repr)
def test_cross_entropys_gradient_at_uniform(network: ClasswiseNetwork, n_classes: int) -> None:
    params = accepted(network, 3, 0, n_classes)
    gradient = label_gradients_at_uniform(network, params, n_classes)
    torch.testing.assert_close(gradient, torch.full_like(gradient, 1 / n_classes - 1), rtol=1e-8, atol=0)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
@pytest.mark.parametrize("features", ["log_probs", "probs"])
def test_concat_has_that_gradient_on_average_over_labels(features: str, n_classes: int) -> None:
    network = ConcatNetwork(n_classes=n_classes, features=features)  # type: ignore[arg-type]
    gradient = label_gradients_at_uniform(network, accepted(network, 3, 1, n_classes), n_classes)
    expected = torch.full((3,), 1 / n_classes - 1, dtype=torch.float64)
    torch.testing.assert_close(gradient.mean(1), expected, rtol=1e-9, atol=0)
    assert float(gradient.std(1).min()) > 1e-3  # it knows the classes apart: only the mean is canonical


@pytest.mark.parametrize("off", [LOG_P_FLOOR, -math.inf])
@pytest.mark.parametrize("n_classes", [2, 3, 10, 100])
@pytest.mark.parametrize("network", ANY_COUNT, ids=repr)
def test_a_perfect_prediction_costs_nothing(network: ClasswiseNetwork, n_classes: int, off: float) -> None:
    params = accepted(network, 3, 2, n_classes)
    losses = network.losses(params, one_hot_log_probs(n_classes, off), torch.arange(n_classes))
    assert losses.abs().max() < 1e-9


@pytest.mark.parametrize("off", [LOG_P_FLOOR, -math.inf])
def test_a_perfect_prediction_costs_nothing_to_concat_whatever_the_label(off: float) -> None:
    network = ConcatNetwork(n_classes=4)
    losses = network.losses(accepted(network, 3, 3, 4), one_hot_log_probs(4, off), torch.arange(4))
    assert losses.abs().max() < 1e-9


@pytest.mark.parametrize(
    "network",
    [ClasswiseNetwork(), ClasswiseNetwork(activation="tanh"), ConcatNetwork(n_classes=10)],
    ids=repr,
)
def test_scale_of_the_last_layer_does_not_matter_but_its_sign_does(network: LossNetwork) -> None:
    params = accepted(network, 4, 4, 10)
    log_probs, target = pairs_of(30, 10)
    losses = network.losses(params, log_probs, target)
    for factor in (1e-3, 7.0):
        scaled = last_layer(network, params, factor)
        assert network.form(scaled, 10).exists.all()
        torch.testing.assert_close(network.losses(scaled, log_probs, target), losses, rtol=1e-8, atol=1e-8)
    assert not network.form(last_layer(network, params, -1.0), 10).exists.any()


def test_a_constant_or_broken_candidate_has_no_form() -> None:
    for network in (ClasswiseNetwork(), ConcatNetwork(n_classes=10)):
        good = accepted(network, 1, 5, 10)
        bad = [last_layer(network, good, 0.0), good * math.nan, good * math.inf, 0 * good]
        form = network.form(torch.cat([good, *bad, good]), 10)
        assert form.exists.tolist() == [True, False, False, False, False, True]


def test_a_monotone_candidate_always_has_a_form() -> None:
    network = MonotoneNetwork()
    params = population(network, 64, 6)
    for n_classes in (2, 10, 1000):
        assert network.form(params, n_classes).exists.all()
