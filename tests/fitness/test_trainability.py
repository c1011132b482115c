from __future__ import annotations

import math

import pytest
import torch

from evoloss.fitness import label_pulls, trainable
from evoloss.networks import BalancedNetwork, ClasswiseNetwork, PacedNetwork, TemperedNetwork
from tests.networks.populations import accepted, population

NETWORK = ClasswiseNetwork(hidden=(6,))


@pytest.mark.parametrize("n_classes", [2, 10, 1000])
def test_pulls_are_gradients_of_the_loss(n_classes: int) -> None:
    params = accepted(NETWORK, 3, 0, n_classes)
    spread, _, start = label_pulls(NETWORK, params, n_classes)
    labels = torch.linspace(math.log(0.01 / n_classes), math.log(0.5), spread.shape[1], dtype=torch.float64)
    points = torch.cat([labels, torch.tensor([math.log(0.1 / n_classes)], dtype=torch.float64)])
    rest = torch.log1p(-points.exp()) - math.log(n_classes - 1)
    log_probs = rest[:, None].repeat(1, n_classes)
    log_probs[:, 0] = points
    for row, found in zip(params, torch.cat([spread, start[:, None]], dim=1), strict=True):
        logits = log_probs.clone().requires_grad_()
        target = torch.zeros(len(points), dtype=torch.int64)
        NETWORK.losses(row[None], torch.log_softmax(logits, dim=1), target).sum().backward()
        torch.testing.assert_close(-logits.grad[:, 0], found, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("n_classes", [2, 10, 1000])
@pytest.mark.parametrize("network", [TemperedNetwork(), PacedNetwork()], ids=str)
def test_pulls_of_tempered_losses_are_gradients_too(network: TemperedNetwork, n_classes: int) -> None:
    """At the certainty of each prediction; a loss that follows its batch, in one that has learned nothing."""
    params = accepted(network, 3, 0, n_classes)
    spread, single, start = label_pulls(network, params, n_classes)
    labels = torch.linspace(math.log(0.01 / n_classes), math.log(0.5), spread.shape[1], dtype=torch.float64)
    points = torch.cat([labels, torch.tensor([math.log(0.1 / n_classes)], dtype=torch.float64)])
    rest = torch.log1p(-points.exp())
    evenly = (rest - math.log(n_classes - 1))[:, None].repeat(1, n_classes)
    on_one = torch.full_like(evenly, -torch.inf)
    on_one[:, 1] = rest
    nothing_learned = torch.zeros((), dtype=torch.float64) if network.sees_batch else None
    for log_probs, found in ((evenly, torch.cat([spread, start[:, None]], dim=1)), (on_one, single)):
        log_probs[:, 0] = points
        for row, pulls in zip(params, found, strict=True):
            logits = log_probs.clone().requires_grad_()
            target = torch.zeros(len(points), dtype=torch.int64)
            costs = network.losses(
                row[None], torch.log_softmax(logits, dim=1), target, context=nothing_learned
            )
            (gradient,) = torch.autograd.grad(costs.sum(), logits)
            torch.testing.assert_close(-gradient[: len(pulls), 0], pulls, rtol=1e-7, atol=1e-9)
    assert (spread > 0).all()
    assert (single > 0).all()


def last_weights(network: ClasswiseNetwork, params: torch.Tensor, factor: float) -> torch.Tensor:
    width = network.hidden[-1]
    return torch.cat([params[:, :-width], factor * params[:, -width:]], dim=1)


def test_a_loss_turned_round_is_rejected() -> None:
    params = accepted(BalancedNetwork(), 6, 1, 2, 10, 100, 1000)
    assert not trainable(BalancedNetwork(), last_weights(BalancedNetwork(), params, -1.0)).any()


def test_a_loss_that_vanishes_away_from_uniform_is_rejected() -> None:
    # phi_1 depends on p alone, steeply: like mean absolute error to a high power.
    network = ClasswiseNetwork(hidden=(1,), activation="softplus", features="probs")
    # features p, flag, log C; softplus(40 p + 5 (flag - 1) - 4): nearly flat below p = 0.1 or so.
    params = torch.tensor([[40.0, 5.0, 0.0, -25.0, -1.0]], dtype=torch.float64)
    assert network.n_params == 5
    assert network.form(params, 2).exists.item()
    assert not trainable(network, params, (2,)).item()


def test_only_candidates_with_a_form_at_every_count_pass() -> None:
    network = BalancedNetwork(hidden=(6,))
    params = population(network, 400, 3)
    passed = trainable(network, params)
    assert 0 < int(passed.sum()) < 400
    for count in (2, 10, 100, 1000):
        assert network.form(params[passed], count).exists.all()
