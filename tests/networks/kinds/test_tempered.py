from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.fitness import trainable
from evoloss.networks import LOG_P_FLOOR, TemperedNetwork, build_network, certainty, describe_network
from evoloss.networks.kinds.tempered import N_WEIGHTS
from evoloss.networks.tempered_terms import EXPONENTS
from evoloss.pairs import PairsConfig, move_mass, sample_pairs
from evoloss.random_streams import stream

NETWORK = TemperedNetwork()
FAR = -30.0  # a logarithm or logit, cut at -12


def some(n: int = 4) -> Tensor:
    return torch.stack([NETWORK.initial(stream(seed, "start")) for seed in range(n)]).double()


def single(exponent: float, least: float, power: float = 1.0) -> Tensor:
    """One weight alone, the others next to nothing."""
    weights = [0.0 if power == exponent else FAR for power in EXPONENTS]
    logit = math.log(least / (1 - least)) if 0 < least < 1 else (FAR if least == 0 else -FAR)
    return torch.tensor([[*weights, logit, math.log(power)]], dtype=torch.float64)


def predictions(n_classes: int, n: int = 40) -> tuple[Tensor, Tensor]:
    logits = 3 * torch.randn(n, n_classes, generator=stream(0, "logits")).double()
    return torch.log_softmax(logits, dim=1), torch.arange(n) % n_classes


def plain(params: Tensor, log_probs: Tensor, target: Tensor) -> Tensor:
    """The formula of the module's docstring, word for word, scaled to cross-entropy's pull where flat."""
    n_classes = log_probs.shape[1]
    weights, least, power = params[:5].exp(), params[5].sigmoid(), params[6].exp()
    certain = (n_classes * log_probs.exp().amax(1) - 1) / (n_classes - 1)
    log_p = log_probs[torch.arange(len(target)), target]

    def exponent_at(certain: Tensor) -> Tensor:
        return least + (1 - least) * certain**power

    t = exponent_at(certain)
    cost = -weights[0] * log_p
    for weight, exponent in zip(weights[1:], EXPONENTS[1:], strict=True):
        cost = cost + weight * (1 - (exponent * t * log_p).exp()) / exponent / t
    flat = exponent_at(torch.zeros(())) * -math.log(n_classes)
    pull = sum(weight * (exponent * flat).exp() for weight, exponent in zip(weights, EXPONENTS, strict=True))
    return cost / pull


@pytest.mark.parametrize("n_classes", [2, 3, 10, 200])
def test_it_is_its_formula(n_classes: int) -> None:
    params, (log_probs, target) = some(), predictions(n_classes)
    wanted = torch.stack([plain(row, log_probs, target) for row in params])
    torch.testing.assert_close(NETWORK.losses(params, log_probs, target), wanted)
    costs = NETWORK.class_costs(params[1], log_probs)
    for label in (0, n_classes - 1):
        torch.testing.assert_close(
            costs[:, label], plain(params[1], log_probs, torch.full_like(target, label))
        )


def test_without_tempering_its_terms_are_known_losses() -> None:
    log_probs, target = predictions(10)
    log_p = log_probs[torch.arange(40), target]
    ce = NETWORK.losses(single(0.0, 1.0), log_probs, target)[0]
    torch.testing.assert_close(ce, -log_p, rtol=1e-3, atol=1e-3)
    mae = NETWORK.losses(single(1.0, 1.0), log_probs, target)[0]
    torch.testing.assert_close(mae, 10 * (1 - log_p.exp()), rtol=1e-2, atol=1e-2)
    gce = NETWORK.losses(single(0.5, 1.0), log_probs, target)[0]
    torch.testing.assert_close(gce, 10**0.5 * (1 - log_p.exp().sqrt()) / 0.5, rtol=1e-2, atol=1e-2)


def test_a_flat_prediction_pulls_as_cross_entropy_and_a_contradicting_one_hardly() -> None:
    params = single(1.0, 0.0)
    flat = torch.full((1, 10), -math.log(10.0), dtype=torch.float64)
    p = torch.tensor([[0.1, 0.9 - 8e-6, *[1e-6] * 8]], dtype=torch.float64)
    for log_probs, least, most in ((flat, 0.999, 1.001), (p.log(), 0.1, 0.15)):
        logits = log_probs.clone().requires_grad_()
        NETWORK.losses(params, torch.log_softmax(logits, 1), torch.tensor([0])).sum().backward()
        pull = float(-logits.grad[0, 0] / (1 - log_probs[0, 0].exp()))
        assert least < pull < most


def test_the_gradient_is_cross_entropys_times_a_number_and_holds_the_exponent_fixed() -> None:
    params, (log_probs, target) = some(1), predictions(6)
    logits = log_probs.clone().requires_grad_()
    NETWORK.losses(params, torch.log_softmax(logits, 1), target).sum().backward()
    base = log_probs.clone().requires_grad_()
    F.cross_entropy(base, target, reduction="sum").backward()
    ratio = logits.grad / base.grad
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    assert (ratio > 0).all()
    fixed = certainty(log_probs)
    form = NETWORK.form(params, 6)
    log_p = log_probs[torch.arange(40), target].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda rows: NETWORK.costs(params, form, rows, fixed), (log_p,))
    assert torch.autograd.gradgradcheck(lambda rows: NETWORK.costs(params, form, rows, fixed), (log_p,))


def test_plain_numbers_give_the_same_costs_and_their_slopes() -> None:
    for n_classes in (2, 10, 1000):
        params = some(3)
        log_p = torch.linspace(-80, 0, 60, dtype=torch.float64).requires_grad_()
        certain = torch.linspace(0, 1, 60, dtype=torch.float64).flip(0)
        for row in params:
            form = NETWORK.form(row[None], n_classes)
            wanted = NETWORK.costs(row[None], form, log_p, certain)[0]
            (slope,) = torch.autograd.grad(wanted.sum(), log_p)
            in_use = NETWORK.terms(row, n_classes)
            found = in_use.cost_and_slope(log_p.detach(), certain)
            torch.testing.assert_close(found[0], wanted.detach(), rtol=1e-9, atol=1e-12)
            torch.testing.assert_close(found[1], slope, rtol=1e-9, atol=1e-12)


def test_a_label_of_no_probability_costs_infinitely_much_and_pulls() -> None:
    log_p = torch.tensor([LOG_P_FLOOR - 5, -torch.inf], dtype=torch.float64)
    params, certain = some(1), torch.tensor([0.5, 1.0], dtype=torch.float64)
    cost = NETWORK.costs(params, NETWORK.form(params, 10), log_p, certain)[0]
    assert cost[0].isfinite()
    assert cost[1] == torch.inf
    in_use = NETWORK.terms(params[0], 10)
    found, slope = in_use.cost_and_slope(log_p, certain)
    assert found[1] == torch.inf
    assert (slope < 0).all()


@pytest.mark.parametrize("n_classes", [2, 10, 100])
def test_it_is_consistent_under_dominance_and_need_not_be_in_p_alone(n_classes: int) -> None:
    """Mass moved off the label costs more; of predictions that dominance does not compare it says nothing."""
    pairs = sample_pairs(PairsConfig(slots=0), 2000, n_classes, stream(1, "pairs"), torch.float64)
    worse = move_mass(pairs.log_probs, pairs.target, stream(1, "moved"))
    params = torch.cat([single(0.5, 0.0), single(1.0, 0.3)])
    gap = NETWORK.losses(params, worse, pairs.target) - NETWORK.losses(params, pairs.log_probs, pairs.target)
    assert (gap > 0).double().mean() > 0.95
    if n_classes > 2:
        flat = torch.full((1, n_classes), -math.log(n_classes), dtype=torch.float64)
        sure = flat.clone()
        sure[0, 0] -= 0.5  # a smaller p_y beside a rival
        sure[0, 1] = torch.log1p(-sure[0, 0].exp() - (n_classes - 2) * 1e-8)
        sure[0, 2:] = math.log(1e-8)
        label = torch.tensor([0])
        assert NETWORK.losses(single(1.0, 0.0), sure, label) < NETWORK.losses(single(1.0, 0.0), flat, label)


def test_any_finite_parameters_are_a_loss() -> None:
    params = 50 * torch.randn(200, NETWORK.n_params, generator=stream(2, "params")).double()
    log_probs, target = predictions(10)
    losses = NETWORK.losses(params, log_probs, target)
    assert losses.isfinite().all()
    assert (losses >= 0).all()
    assert NETWORK.form(params, 10).exists.all()
    assert not NETWORK.form(torch.full_like(params, torch.nan), 10).exists.any()


def test_a_loss_that_vanishes_where_students_start_is_not_trainable() -> None:
    assert trainable(NETWORK, some()).all()
    # p^4 without tempering: at a tenth of the uniform probability a ten-thousandth of the pull is left.
    assert not trainable(NETWORK, single(4.0, 1.0)).any()
    assert trainable(NETWORK, single(4.0, 0.0), (10, 100, 1000)).all()
    # With two classes a label of small probability always has a rival that is certain.
    assert not trainable(NETWORK, single(4.0, 0.0), (2,)).any()
    assert trainable(NETWORK, single(1.0, 0.0)).all()


def test_one_class_costs_nothing() -> None:
    assert (NETWORK.losses(some(), torch.zeros(3, 1).double(), torch.zeros(3, dtype=torch.int64)) == 0).all()


def test_it_is_described_by_its_name() -> None:
    assert describe_network(NETWORK) == {"kind": "tempered"}
    assert build_network({"kind": "tempered"}) == NETWORK
    assert NETWORK.n_params == N_WEIGHTS + 2
