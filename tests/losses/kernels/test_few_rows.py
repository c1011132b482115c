"""Small batches by NumPy: what cpu_rows gives, for exactly the calls that they are for."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest
import torch
from torch import Tensor

from evoloss.losses import LOSSES, EvolvedLoss
from evoloss.losses.base import ClassificationLoss
from evoloss.losses.kernels import few_rows
from evoloss.losses.resolve import resolve_loss
from evoloss.zoo import SHIPPED
from tests.losses.cases import in_evaluation, states_of

SIZES = [(1, 2), (2, 2), (7, 3), (64, 10), (150, 100), (3, 1000)]


def pairs(n: int, n_classes: int, scale: float = 5.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits and labels, some of them far from their label."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, n_classes, generator=generator)
    return logits.requires_grad_(), torch.randint(n_classes, (n,), generator=generator)


def value_and_gradient(loss: ClassificationLoss, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The result, and the gradient by the logits of a weighted sum of it."""
    result = loss(logits, target)
    factors = torch.linspace(0.5, 2.0, result.numel()).reshape(result.shape)
    (gradient,) = torch.autograd.grad((result * factors).sum(), logits)
    return result.detach(), gradient


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each call was answered."""
    found: list[bool] = []

    def counted(*arguments: Any) -> Tensor | None:
        result = few_rows.few_rows(*arguments)
        found.append(result is not None)
        return result

    monkeypatch.setattr("evoloss.losses.base.few_rows", counted)
    return found


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", SHIPPED)
def test_the_same_as_the_other_way(
    name: str, reduction: str, calls: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = in_evaluation(resolve_loss)(name)
    loss.reduction = reduction
    for n, n_classes in SIZES:
        logits, target = pairs(n, n_classes)
        few = value_and_gradient(loss, logits, target)
        with monkeypatch.context() as patched:
            patched.setattr(few_rows, "_LIMIT", 0)
            many = value_and_gradient(loss, logits, target)
        for one, other in zip(few, many, strict=True):
            assert one.dtype == other.dtype
            assert one.is_contiguous()
            torch.testing.assert_close(one, other, rtol=5e-4, atol=1e-5)  # a neighbouring cell
        assert calls[-2:] == [True, False]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", SHIPPED)
def test_the_same_with_weights_and_in_half_precision(
    name: str, dtype: torch.dtype, reduction: Any, calls: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    logits, target = pairs(40, 6)
    logits = logits.detach().to(dtype).requires_grad_()
    weight = torch.tensor([0.5, 2.0, 0.0, 1.0, 3.0, -0.5], dtype=dtype)
    loss = EvolvedLoss(name, weight=weight, reduction=reduction)
    few = value_and_gradient(loss, logits, target)
    monkeypatch.setattr(few_rows, "_LIMIT", 0)
    many = value_and_gradient(loss, logits, target)
    assert calls == [True, False]
    digit = torch.finfo(dtype).eps
    for one, other in zip(few, many, strict=True):
        assert one.dtype == other.dtype == dtype
        torch.testing.assert_close(one, other, rtol=max(5e-4, 2 * digit), atol=1e-5)


@pytest.mark.parametrize("name", ["evolved-base", "evolved-noise"])
def test_calls_that_it_is_not_for_go_the_other_way(name: str, calls: list[bool]) -> None:
    logits, target = pairs(6, 4)
    wide = pairs(1 << 13, 4)
    loss = resolve_loss(name)
    ignored = target.clone()
    ignored[1] = -100
    nan = logits.detach().clone()
    nan[2, 1] = torch.nan
    infinite = logits.detach().clone()
    infinite[2, 1] = torch.inf
    others: list[tuple[ClassificationLoss, Tensor, Tensor]] = [
        (loss, *wide),
        (loss, logits.double(), target),
        (loss, logits, ignored),
        (loss, nan, target),
        (loss, infinite, target),
        (loss, logits, torch.softmax(logits.detach(), 1)),
        (type(loss)(name, weight=torch.full((4,), 1e12)), logits, target),
        (type(loss)(name, weight=torch.full((4,), -1.0)), logits, target),
        (type(loss)(name, weight=torch.ones(4).double()), logits.double(), target),
        (type(loss)(name, label_smoothing=0.1), logits, target),
        (type(loss)(name, ignore_index=2), logits, target),
    ]
    for criterion, some, labels in others:
        result = criterion(some, labels)
        assert result.isnan() == (some is nan or some is infinite)
    with pytest.raises((RuntimeError, NotImplementedError)):  # as cross-entropy does
        type(loss)(name, weight=torch.ones(4, device="meta"))(logits, target)
    assert not any(calls)
    for wrong in (-1, 4, 2**40, -(2**63)):
        bad = target.clone()
        bad[3] = wrong
        with pytest.raises(IndexError):
            loss(logits, bad)
    assert not any(calls)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("masked", [-torch.inf, torch.finfo(torch.float32).min, -1e30])
@pytest.mark.parametrize("name", ["evolved-base", "evolved-noise"])
def test_masked_classes(name: str, masked: float, calls: list[bool]) -> None:
    """They cost and pull nothing; where the label is masked, the result is the other way's."""
    loss = resolve_loss(name)
    logits, target = pairs(6, 4)
    masks = torch.zeros(6, 4, dtype=torch.bool)
    masks[torch.arange(6), (target + 1) % 4] = True
    value, gradient = value_and_gradient(loss, logits.masked_fill(masks, masked), target)
    exact, exact_gradient = value_and_gradient(loss, logits.double().masked_fill(masks, masked), target)
    torch.testing.assert_close(value, exact.float(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(gradient, exact_gradient.float(), rtol=1e-3, atol=1e-5)
    assert calls[0]
    masks[0, target[0]] = True
    result = loss(logits.masked_fill(masks, masked), target)
    assert result == torch.inf if masked == -torch.inf else result > 1e3


def test_second_derivatives_are_those_of_the_network() -> None:
    loss = resolve_loss("evolved-noise")
    logits, target = pairs(5, 3)

    def curvature(some: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(loss(some, target), some, create_graph=True)
        (second,) = torch.autograd.grad(slope.square().sum(), some)
        return second

    exact = curvature(logits.detach().double().requires_grad_())
    torch.testing.assert_close(curvature(logits).double(), exact, rtol=1e-3, atol=1e-4)


def test_a_graph_is_walked_twice_only_if_it_is_kept() -> None:
    loss = resolve_loss("evolved-base")
    logits, target = pairs(5, 3)
    result = loss(logits, target)
    result.backward(retain_graph=True)
    result.backward()
    assert logits.grad is not None
    twice = logits.grad.clone()
    logits.grad = None
    loss(logits, target).backward()
    torch.testing.assert_close(twice, 2 * logits.grad)
    with pytest.raises(RuntimeError, match="second time"):
        result.backward()


def frames(loss: ClassificationLoss, logits: Tensor, target: Tensor) -> tuple[list[str], int]:
    """Names of the functions of this package that a call enters, and how many of them are one in another."""
    entered: list[str] = []
    depth = deepest = 0

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        del argument
        nonlocal depth, deepest
        if str(frame.f_globals.get("__name__")).startswith("evoloss"):
            depth += {"call": 1, "return": -1}.get(event, 0)
            deepest = max(deepest, depth)
            if event == "call":
                entered.append(frame.f_code.co_name)

    loss(logits, target)
    sys.setprofile(watch)
    try:
        loss(logits, target)
    finally:
        sys.setprofile(None)
    return entered, deepest


@pytest.mark.parametrize("name", [name for name in SHIPPED if not states_of(resolve_loss(name))])
def test_a_plain_call_of_a_shipped_loss_enters_few_functions(name: str) -> None:
    entered, _ = frames(resolve_loss(name), *pairs(64, 10))
    assert 3 < len(entered) <= 8, entered


@pytest.mark.parametrize("name", LOSSES)
def test_a_plain_call_of_a_known_loss_is_never_deep(name: str) -> None:
    """Its formula, part by part, stands a few functions below the call."""
    entered, deepest = frames(in_evaluation(resolve_loss)(name), *pairs(64, 10))
    assert 3 < deepest <= 8, entered
