"""Sensing losses: what counts as a contradiction, readings at any size of batch, numbers at extremes."""

from __future__ import annotations

import math
import warnings
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.losses import EvolvedLoss
from evoloss.networks.kinds.sensing import SensingStates
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.response import Response, largest_pull, pull, response
from evoloss.random_streams import stream
from tests.networks.kinds.sensing_losses import (
    LARGER,
    N_SAMPLES,
    NETWORK,
    NUMBERS,
    both_ways,
    reading,
    sensing,
    take_in,
)
from tests.networks.stateful import doubting


def doubted(loss: EvolvedLoss) -> Response[Tensor]:
    state = loss.loss_state.values()
    return response(SensorNumbers.of(loss.params), state, len(state["confident"]))


def set_doubt(
    loss: EvolvedLoss, n_classes: int, memorised: float = 0.9, by_heart: float = 0.95
) -> Response[Tensor]:
    """Put a loss where so much is memorised of wrong labels, and of all; the response that follows."""
    state = {name: torch.full_like(value, 0.9) for name, value in loss.loss_state.values().items()}
    of_classes = {name: torch.full((n_classes,), 0.9) for name in ("confident", "contradicted")}
    of_classes["shares"] = 0.4 * torch.linspace(0, 2, n_classes)  # of a mean of 0.4
    of_classes["labelled"] = torch.full((n_classes,), 1 / n_classes)
    of_classes["predicted"] = torch.linspace(2, 0, n_classes) / n_classes
    readings = {"memorised": torch.tensor(memorised), "by_heart": torch.tensor(by_heart)}
    size = {"n_samples": loss.loss_state.n_samples.clone()}
    loss.loss_state.update({**state, **of_classes, **readings, **size})
    return doubted(loss)


@both_ways
@pytest.mark.parametrize("n_classes", [2, 10, 1000])
@pytest.mark.parametrize(
    ("memorised", "by_heart"), [(0.0, 0.0), (0.0, 0.7), (0.6, 0.7), (0.4, 1.0), (1.0, 1.0)]
)
def test_a_loss_in_use_is_its_formula(n_classes: int, way: str, memorised: float, by_heart: float) -> None:
    loss = sensing(way, reduction="none").eval()
    a, m, exponents = set_doubt(loss, n_classes, memorised, by_heart)
    assert float(a) == pytest.approx(1 - by_heart)
    few = 10 / (0.1 * N_SAMPLES)
    ratio = (loss.loss_state.predicted.double() + few) / (loss.loss_state.labelled.double() + few)
    trusted = (2 * (0.6 - ratio)).clamp(0, 1)
    assert trusted[0] == 0
    assert trusted[-1] > 0 or n_classes == 1000  # of which ten samples are too many
    torch.testing.assert_close(m.double(), memorised * (1 - trusted), rtol=1e-5, atol=1e-6)
    # The mean is that of classes with contradictions, of which the first has none.
    shares = loss.loss_state.shares.double()
    relative = shares / (shares.sum() / (n_classes - 1))
    focus = ((relative - NUMBERS.spared) / NUMBERS.spared_span).clamp(0, 1)
    assert focus.min() == 0
    assert focus.max() == 1
    assert float(exponents.max()) > 2
    torch.testing.assert_close(
        exponents.double(), (exponents.max() * focus).clamp(min=1e-6), rtol=1e-4, atol=1e-5
    )
    target = torch.randint(n_classes, (12,), generator=stream(0, "target"))
    logits = 3 * torch.randn(12, n_classes, generator=stream(0, "logits"))
    leaf = logits.requires_grad_()
    costs = loss(leaf, target)
    costs.sum().backward()
    probs = logits.detach().double().softmax(1)
    p, (top, predicted) = probs.gather(1, target[:, None]), probs.max(1, keepdim=True)
    a, m, t, b = a.double(), m.double()[target][:, None], exponents.double()[predicted], NUMBERS.poly
    poly = (b * (1 - p) - p.log()) / (1 + b / n_classes)
    cost = a * poly - (1 - a - m) * p.log() + m * ((1 - (p / top) ** t) / t - ((p + top) / 2).log())
    smoothing = a * NUMBERS.smoothing
    cost = cost - smoothing * probs.log().mean(1, keepdim=True)
    torch.testing.assert_close(costs.double(), cost[:, 0], rtol=1e-4, atol=1e-5)
    factor = a * (1 + b * p) / (1 + b / n_classes) + 1 - a - m + m * (p / top) ** t
    pull = (probs - F.one_hot(target, n_classes)) * factor + smoothing * (probs - 1 / n_classes)
    assert leaf.grad is not None
    torch.testing.assert_close(leaf.grad.double(), pull, rtol=1e-3, atol=1e-6)


@both_ways
@pytest.mark.parametrize("options", [{}, {"reduction": "sum"}, {"weight": torch.arange(1.0, 11.0)}], ids=str)
def test_a_large_batch_is_the_rows_of_small_ones(way: str, options: dict[str, Any]) -> None:
    """Also where classes are masked: those cost a constant, without gradient."""
    rows = 3000  # more than the way of small batches takes
    logits = 3 * torch.randn(rows, 10, generator=stream(2, "logits"))
    target = torch.randint(9, (rows,), generator=stream(2, "target"))
    logits[::7, 9] = -math.inf
    loss, few = sensing(way, **options).eval(), sensing(**(options | {"reduction": "none"})).eval()
    leaf, alone = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value = loss(leaf, target)
    value.backward()
    costs = torch.cat([few(*part) for part in zip(alone.split(100), target.split(100), strict=True)])
    total = options.get("weight", torch.ones(10))[target].sum()
    expected = costs.sum() / (1 if options.get("reduction") == "sum" else total)
    expected.backward()
    assert leaf.grad is not None
    assert alone.grad is not None
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(leaf.grad, alone.grad, rtol=1e-3, atol=1e-8 * float(total))
    assert leaf.grad[::7, 9].eq(0).all()


def test_at_the_start_it_is_poly_1_whose_pull_is_that_of_cross_entropy_at_chance() -> None:
    loss = sensing(reduction="sum")
    torch.testing.assert_close(
        take_in(loss, torch.zeros(3, 4), torch.arange(3)), 0.25 - F.one_hot(torch.arange(3), 4).float()
    )
    sure = torch.tensor([[9.0, 0.0, 0.0, 0.0]])
    smoothed = NUMBERS.smoothing * (sure.softmax(1) - 0.25)
    ratio = (take_in(loss, sure, torch.tensor([0])) - smoothed) / (
        sure.softmax(1) - torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    )
    torch.testing.assert_close(
        ratio, torch.full((1, 4), (1 + NUMBERS.poly) / (1 + NUMBERS.poly / 4)), rtol=1e-2, atol=0
    )


@both_ways
def test_it_is_cross_entropy_as_long_as_the_size_of_the_training_set_is_not_known(way: str) -> None:
    loss = sensing(way, n_samples=None)
    with pytest.warns(UserWarning, match="n_samples=len"):
        take_in(loss, LOGITS, torch.tensor([0]))
    for step in range(30):
        logits = 3 * torch.randn(20, 4, generator=stream(step, "logits"))
        leaf = logits.clone().requires_grad_()
        F.cross_entropy(leaf, torch.arange(20) % 4).backward()
        torch.testing.assert_close(
            take_in(loss, logits, torch.arange(20) % 4), leaf.grad, rtol=1e-4, atol=1e-6
        )
    set_doubt(loss, 4)
    leaf = logits.clone().requires_grad_()
    F.cross_entropy(leaf, torch.arange(20) % 4).backward()
    torch.testing.assert_close(take_in(loss, logits, torch.arange(20) % 4), leaf.grad, rtol=1e-4, atol=1e-6)


@both_ways
def test_only_a_training_call_warns_that_the_size_is_not_known_and_only_once(way: str) -> None:
    loss = sensing(way, n_samples=None)
    loss(LOGITS, torch.tensor([0]))  # no gradient is asked for
    copied = deepcopy(loss)
    for some in (loss, copied):
        with pytest.warns(UserWarning, match=r"plan_training\(n_samples=len\(train_set\)\)"):
            take_in(some, LOGITS, torch.tensor([0]))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            take_in(some, LOGITS, torch.tensor([0]))
    planned, resumed = sensing(way, n_samples=None), sensing(way, n_samples=None)
    planned.plan_training(n_samples=N_SAMPLES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        take_in(planned, LOGITS, torch.tensor([0]))
        resumed.load_state_dict(planned.state_dict())
        take_in(resumed, LOGITS, torch.tensor([0]))


# Class 0 is predicted. Of the rest the others have 0.547, 0.331 and 0.122.
LOGITS = torch.tensor([[2.0, 0.5, 0.0, -1.0]])
REST = torch.tensor([0.5, 0.0, -1.0], dtype=torch.float64).softmax(0)
SECOND, THIRD, LAST = (min(1.0, 1.5 * (1 - float(share))) ** 2 for share in REST)
LABELS = {
    "the predicted class": (torch.tensor([0]), 0.0, 1.0),
    "the second choice": (torch.tensor([1]), 1.0, SECOND),
    "another": (torch.tensor([2]), 1.0, THIRD),
    "the least likely": (torch.tensor([3]), 1.0, LAST),
    "mixup, mostly the predicted class": (torch.tensor([[0.7, 0.3, 0.0, 0.0]]), 0.0, 1.0),
    "mixup, the predicted class with less": (torch.tensor([[0.3, 0.7, 0.0, 0.0]]), 1 - 3 / 7, 0.7 * SECOND),
    "mixup in equal parts": (torch.tensor([[0.5, 0.5, 0.0, 0.0]]), 0.0, 1.0),
    "mixup of two others": (torch.tensor([[0.0, 0.4, 0.6, 0.0]]), 1.0, 0.4 * SECOND + 0.6 * THIRD),
    "a teacher that agrees": (torch.tensor([[0.4, 0.3, 0.2, 0.1]]), 0.0, 1.0),
    "a teacher that does not": (
        torch.tensor([[0.2, 0.5, 0.2, 0.1]]),
        0.6,
        0.5 * SECOND + 0.2 * THIRD + 0.1 * LAST,
    ),
    "smoothed by hand, the predicted class": (torch.tensor([[0.925, 0.025, 0.025, 0.025]]), 0.0, 1.0),
    "smoothed by hand, another class": (
        torch.tensor([[0.025, 0.025, 0.925, 0.025]]),
        1 - 0.025 / 0.925,
        0.025 * SECOND + 0.925 * THIRD + 0.025 * LAST,
    ),
}
"""The target, how far it contradicts, and how surprising that is."""


@both_ways
@pytest.mark.parametrize("case", LABELS)
def test_what_counts_as_a_contradiction(case: str, way: str) -> None:
    target, expected, surprising = LABELS[case]
    loss = sensing(way)
    take_in(loss, LOGITS, target)
    assert reading(loss) == pytest.approx(expected * surprising, abs=1e-6)
    assert loss.loss_state.into == 1
    assert loss.loss_state.epoch_right == pytest.approx(1 - expected, abs=1e-6)


@both_ways
def test_weights_smoothing_and_reduction_do_not_enter_and_rows_to_ignore_are_no_samples(way: str) -> None:
    logits, target = LOGITS.repeat(4, 1), torch.tensor([0, 2, 0, 1])
    plain = sensing(way)
    take_in(plain, logits, target)
    assert reading(plain) == pytest.approx((SECOND + THIRD) / 4)
    weight = torch.tensor([0.5, 3.0, 0.0, 1.0])
    options: list[dict[str, Any]] = [{"weight": weight}, {"label_smoothing": 0.3}, {"reduction": "sum"}]
    for changes in options:
        loss = sensing(way, **changes)
        take_in(loss, logits, target)
        for name, value in plain.loss_state.values().items():
            torch.testing.assert_close(loss.loss_state.values()[name], value, rtol=1e-6, atol=0)
    ignoring = sensing(way, ignore_index=1)
    take_in(ignoring, logits, target)
    assert reading(ignoring) == pytest.approx(THIRD / 3)
    assert ignoring.loss_state.into == 3


def course() -> tuple[Tensor, Tensor]:
    """Eight epochs in which memory fades; three labels in ten are wrong, and memorised from the sixth on."""
    random, n_classes, logits, target = stream(0, "course"), 10, [], []
    right = torch.randint(n_classes, (LARGER,), generator=random)
    wrong = torch.rand(LARGER, generator=random) < 0.3
    other = (right + torch.randint(1, n_classes, (LARGER,), generator=random)) % n_classes
    labels = torch.where(wrong, other, right)
    for epoch in range(8):
        order = torch.randperm(LARGER, generator=random)
        time = epoch + torch.arange(LARGER)[:, None] / LARGER
        rows = torch.randn(LARGER, n_classes, generator=random)
        rows += 5 * (1 - (-2 * time).exp()) * F.one_hot(right[order], n_classes)
        rows += 7 * (time >= 5) * (1.1 - time % 1) * F.one_hot(labels[order], n_classes)
        logits.append(rows)
        target.append(labels[order])
    return torch.cat(logits), torch.cat(target)


@both_ways
def test_readings_are_those_of_the_data_whatever_the_batches(way: str) -> None:
    """Within 8 per cent; the largest batches are a fifth of an epoch."""
    logits, target = course()
    found = []
    for rows in (16, 128, 1024) if way == "fast" else (128, 1024):
        loss = sensing(way, n_samples=LARGER)
        for some, labels in zip(logits.split(rows), target.split(rows), strict=True):
            take_in(loss, some, labels)
        state = loss.loss_state
        values = [float(value) for value in (state.agreement, state.plateau, state.memorised)]
        found.append(
            torch.tensor([reading(loss), doubted(loss).doubt.mean(), doubted(loss).exponent.mean(), *values])
        )
    assert found[0][1] > 0.9  # what is memorised is doubted
    assert found[0][4] == pytest.approx(0.3, rel=0.15)  # the share of wrong labels
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=0.08, atol=0)


@both_ways
@pytest.mark.parametrize("n_classes", [2, 1000])
def test_batches_of_one_are_what_they_are_together(n_classes: int, way: str) -> None:
    logits = 4 * torch.randn(60, n_classes, generator=stream(1, "logits"))
    target = torch.randint(n_classes, (60,), generator=stream(1, "target"))
    together, apart = sensing(way), sensing(way)
    take_in(together, logits, target)
    for row in range(60):
        take_in(apart, logits[row : row + 1], target[row : row + 1])
    assert reading(apart) == pytest.approx(reading(together), rel=0.03)
    torch.testing.assert_close(apart.loss_state.agreement, together.loss_state.agreement, rtol=0.15, atol=0)
    one = sensing(way)
    take_in(one, logits[0], target[0])  # without a batch axis
    assert one.loss_state.into == 1


@pytest.mark.filterwarnings("error")
def test_students_have_the_statistics_of_tensors_and_of_the_loss_in_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over a training in which some of the candidates come to doubt; one is a row of zeros."""
    logits, target = course()
    params = torch.stack([doubting(), doubting() - 0.5]).double()
    numbers = torch.cat(
        [NETWORK.states(params, 10).numbers, torch.zeros(1, len(params[0]), dtype=torch.float64)]
    )
    in_numpy, in_tensors = (SensingStates(numbers).begin(2, N_SAMPLES) for _ in range(2))
    losses = [sensing(), sensing("general")]
    for rows, labels in zip(logits.split(130), target.split(130), strict=True):
        log_probs = torch.stack([rows, rows / 2]).double().log_softmax(2).mT[:, None].expand(-1, 3, -1, -1)
        is_label = F.one_hot(labels, 10).bool().T.expand(2, 1, -1, -1)
        found = in_numpy.take_in(log_probs, is_label)
        with monkeypatch.context() as patched:
            patched.setattr(torch.compiler, "is_compiling", lambda: True)
            expected = in_tensors.take_in(log_probs, is_label)
        assert found.exponent is expected.exponent is None
        assert found.offset is not None
        assert expected.offset is not None
        assert found.offset.shape == (2, 3, 1, 130)
        torch.testing.assert_close(found.offset[:, :2], expected.offset[:, :2], rtol=1e-9, atol=1e-12)
        assert found.smoothing is not None
        assert expected.smoothing is not None
        torch.testing.assert_close(found.smoothing[:, :2], expected.smoothing[:, :2], rtol=1e-9, atol=1e-12)
        for loss in losses:
            take_in(loss, rows, labels)
    assert float(doubted(losses[0]).doubt.min()) > 0.9
    log_p = log_probs[0, 0].gather(0, labels[None])
    top, predicted = log_probs[0, 0].max(dim=0, keepdim=True)
    for loss in losses:
        learning, doubt, exponents = doubted(loss)
        exact = pull(log_p, top, Response(learning, doubt[labels], exponents[predicted]), NUMBERS.poly, 10)
        # What of the label's pull the offset says.
        largest = largest_pull(NUMBERS.poly, 10)
        torch.testing.assert_close((log_p - found.offset[0, 0]).exp() * largest, exact, rtol=1e-2, atol=1e-6)
        smoothing = float(learning) * NUMBERS.smoothing
        assert float(found.smoothing[0, 0]) == pytest.approx(smoothing, rel=1e-2, abs=1e-6)
