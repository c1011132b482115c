from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss import EvolvedLoss
from evoloss.fitness import trainable
from evoloss.networks import (
    PacedNetwork,
    TemperedNetwork,
    agreements_of,
    build_network,
    dense_agreements_of,
    describe_network,
)
from evoloss.networks.tempered_terms import EXPONENTS
from evoloss.pairs import PairsConfig, sample_pairs
from evoloss.random_streams import stream
from tests.losses.cases import reference_agreements

NETWORK = PacedNetwork()
FAR = -30.0  # a logarithm or logit, cut at -12


def some(n: int = 3) -> Tensor:
    return torch.stack([NETWORK.initial(stream(seed, "start")) for seed in range(n)]).double()


def predictions(n_classes: int, learned: float, n: int = 40) -> tuple[Tensor, Tensor]:
    """Logits whose labels lie ahead by about ``learned``, and the labels."""
    target = torch.arange(n) % n_classes
    logits = torch.randn(n, n_classes, generator=stream(0, "logits")).double()
    return logits + learned * F.one_hot(target, n_classes), target


def plain(params: Tensor, logits: Tensor, target: Tensor) -> Tensor:
    """The formulas of both modules' docstrings, scaled to cross-entropy's pull where flat."""
    n_classes = logits.shape[1]
    weights, least, power = params[:5].exp(), params[5].sigmoid(), params[6].exp()
    log_p = torch.log_softmax(logits, 1)[torch.arange(len(target)), target]
    known = reference_agreements(logits.softmax(1), F.one_hot(target, n_classes).double())
    t = least + (1 - least) * known[torch.arange(len(target)), target] ** power
    cost = -weights[0] * log_p
    for weight, exponent in zip(weights[1:], EXPONENTS[1:], strict=True):
        cost = cost + weight * (1 - (exponent * t * log_p).exp()) / exponent / t
    flat = least * -math.log(n_classes)
    pull = sum(weight * (exponent * flat).exp() for weight, exponent in zip(weights, EXPONENTS, strict=True))
    return cost / pull


@pytest.mark.parametrize("n_classes", [2, 10, 200])
@pytest.mark.parametrize("learned", [0.0, 3.0, 12.0])
def test_a_loss_in_use_is_its_formula(n_classes: int, learned: float) -> None:
    logits, target = predictions(n_classes, learned)
    for row in some():
        for dtype, tolerance in ((torch.float64, 1e-6), (torch.float32, 1e-4)):
            loss = EvolvedLoss(NETWORK, row, reduction="none")
            found = loss(logits.to(dtype), target).double()
            torch.testing.assert_close(found, plain(row, logits, target), rtol=tolerance, atol=tolerance)


def test_it_starts_as_cross_entropy_and_becomes_robust_as_labels_are_learned() -> None:
    params = torch.tensor([FAR, FAR, 0.0, FAR, FAR, FAR, 0.0], dtype=torch.float64)
    loss = EvolvedLoss(NETWORK, params, reduction="sum")

    def pull(learned: float) -> float:
        """The pull on the label of one contradicted sample in a batch, against cross-entropy's."""
        logits, target = predictions(10, learned)
        logits[0] = 0.0
        logits[0, 5] = 4.0  # its label is class 0
        pulls = []
        for criterion in (loss, torch.nn.CrossEntropyLoss(reduction="sum")):
            leaf = logits.clone().requires_grad_()
            criterion(leaf, target).backward()
            assert leaf.grad is not None
            pulls.append(float(leaf.grad[0, 0]))
        return pulls[0] / pulls[1]

    assert pull(0.0) > 0.8
    assert pull(0.0) > pull(2.0) > pull(4.0) > pull(12.0)
    assert pull(12.0) < 0.03


def test_the_gradient_is_cross_entropys_times_a_number_and_holds_the_temper_fixed() -> None:
    logits, target = predictions(6, 2.0)
    leaf = logits.clone().requires_grad_()
    EvolvedLoss(NETWORK, some(1)[0], reduction="sum")(leaf, target).backward()
    base = logits.clone().requires_grad_()
    F.cross_entropy(base, target, reduction="sum").backward()
    assert leaf.grad is not None
    assert base.grad is not None
    ratio = leaf.grad / base.grad
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-6, atol=1e-6)
    assert (ratio > 0).all()


@pytest.mark.parametrize("agreement", [None, 0.0, 0.3])
def test_at_one_agreement_a_larger_p_never_costs_more(agreement: float | None) -> None:
    pairs = sample_pairs(PairsConfig(slots=0), 2000, 10, stream(1, "pairs"), torch.float64)
    known = None if agreement is None else torch.tensor(agreement)
    losses = NETWORK.losses(some(), pairs.log_probs, pairs.target, context=known)
    p = pairs.log_probs[torch.arange(2000), pairs.target]
    assert (losses[:, p.argsort()].diff(dim=1) <= 1e-9).all()


def test_without_an_agreement_labels_count_as_learned() -> None:
    logits, target = predictions(10, 1.0)
    log_probs = logits.log_softmax(1)
    learned = NETWORK.losses(some(), log_probs, target, context=torch.tensor(1.0))
    assert torch.equal(NETWORK.losses(some(), log_probs, target), learned)
    assert not torch.allclose(learned, NETWORK.losses(some(), log_probs, target, context=torch.tensor(0.5)))
    costs = NETWORK.class_costs(some()[1], log_probs)
    torch.testing.assert_close(costs[torch.arange(40), target], learned[1])


def agreements(
    p: list[float], target: list[int], n_classes: int, counts: list[bool] | None = None
) -> list[float]:
    kept = None if counts is None else torch.tensor(counts)
    found = agreements_of(torch.tensor(p).double(), torch.tensor(target, dtype=torch.long), kept, n_classes)
    return [round(value, 6) for value in found.tolist()]


def test_agreement_is_0_at_chance_and_below_and_1_where_all_is_learned() -> None:
    for p, wanted in ((0.25, 0.0), (0.1, 0.0), (1.0, 1.0), (0.5, 1 / 3)):
        assert agreements([p] * 6, [0, 0, 0, 1, 1, 2], 4) == [pytest.approx(wanted, abs=1e-6)] * 6
    assert agreements([], [], 4) == []
    assert agreements([1.0] * 3, [0] * 3, 1) == [0.0] * 3


def test_a_class_that_is_learned_late_is_trusted_longer() -> None:
    early, late = [0.9] * 8, [0.3] * 8
    found = agreements(early + late, [0] * 8 + [1] * 8, 4)
    assert min(found[:8]) > 0.6 > 0.3 > max(found[8:])


def test_a_wrong_label_does_not_vouch_for_itself() -> None:
    # Of ten samples of class 0 one has a label that is not believed: its agreement is that of the others.
    found = agreements([0.9] * 9 + [0.0], [0] * 10, 10)
    alone = (9 * 0.9 + 0.81) / (9 + 1)
    assert found[9] == pytest.approx((10 * alone - 1) / 9, abs=1e-6)
    assert found[9] > max(found[:9])


def test_positions_that_do_not_count_take_no_part() -> None:
    kept = agreements([0.5, 0.9, 0.7], [1, 1, 0], 4)
    found = agreements([0.5, 0.9, 0.7, 0.1, math.nan], [1, 1, 0, 1, 0], 4, [True, True, True, False, True])
    assert found[:3] == kept


@pytest.mark.parametrize("n_classes", [2, 10, 200])
def test_agreements_are_their_formula(n_classes: int) -> None:
    logits, target = predictions(n_classes, 3.0)
    probs, shares = logits.softmax(1), F.one_hot(target, n_classes).double()
    shares[5] = 0.0  # as an ignored position
    wanted = reference_agreements(probs, shares)
    torch.testing.assert_close(dense_agreements_of(probs, shares), wanted)
    positions = torch.arange(len(target))
    found = agreements_of(probs[positions, target], target, shares.sum(1) > 0, n_classes)
    torch.testing.assert_close(found, wanted[positions, target])
    soft = torch.softmax(logits.flip(0), 1)
    torch.testing.assert_close(dense_agreements_of(probs, soft), reference_agreements(probs, soft))


def test_a_prediction_that_is_no_number_spoils_no_other() -> None:
    logits, target = predictions(6, 2.0, n=5)
    loss = EvolvedLoss(NETWORK, some(1)[0], reduction="none")
    alone = loss(logits[1:], target[1:])
    logits[0] = torch.nan
    for dtype in (torch.float64, torch.float32):
        found = loss(logits.to(dtype), target)
        assert found[0].isnan()
        torch.testing.assert_close(found[1:].double(), alone, rtol=1e-5, atol=1e-5)


def test_a_batch_of_one_has_its_own_agreement() -> None:
    logits, target = predictions(10, 2.0)
    row = some(1)[0]
    loss = EvolvedLoss(NETWORK, row)
    torch.testing.assert_close(loss(logits[3], target[3]), plain(row, logits[3:4], target[3:4])[0])
    p = float(logits[3].softmax(0)[target[3]])
    assert agreements([p], [0], 10) == [pytest.approx((10 * p - 1) / 9, abs=1e-6)]


def test_it_is_trainable_and_described_by_its_name() -> None:
    assert trainable(NETWORK, some()).all()
    assert describe_network(NETWORK) == {"kind": "paced"}
    assert build_network({"kind": "paced"}) == NETWORK != TemperedNetwork()
    assert NETWORK.n_params == TemperedNetwork().n_params
