"""The fast way of losses with a state: the numbers of the general one, each batch taken in once."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.losses import EvolvedLoss
from evoloss.losses.kernels import cpu_rows, few_rows
from evoloss.networks.kinds.sensing import SensingNetwork
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.response import response
from evoloss.random_streams import stream
from tests.networks.remembering import RememberingNetwork
from tests.networks.stateful import assert_same_state, changed, doubting, state_of

C, BATCH, N_SAMPLES = 10, 64, 640


def sensing(n_samples: int = N_SAMPLES, **options: Any) -> EvolvedLoss:
    return EvolvedLoss(SensingNetwork(), doubting(), n_samples=n_samples, **options)


def generally(loss: EvolvedLoss) -> EvolvedLoss:
    """The same loss without its fast way."""
    loss.terms = lambda logits, labels: None  # type: ignore[method-assign]
    return loss


def batch(step: int, rows: int = BATCH, classes: int = C) -> tuple[Tensor, Tensor]:
    """A step of a training in which a third of the labels is wrong, and begins to be memorised at 60."""
    random = stream(step, "batch")
    right = torch.randint(classes, (rows,), generator=random)
    wrong = torch.rand(rows, generator=random) < 1 / 3
    target = torch.where(wrong, torch.randint(classes, (rows,), generator=random), right)
    logits = torch.randn(rows, classes, generator=random)
    logits += min(step / 10, 5) * F.one_hot(right, classes)
    # What was seen at the start of the last epoch is remembered less.
    memory = max(0, step - 60) / 20 * (1.5 - step % 10 / 10)
    return logits + memory * F.one_hot(target, classes), target


def gradient(loss: EvolvedLoss, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = logits.clone().requires_grad_()
    result = loss(leaf, target)
    result.sum().backward()
    assert leaf.grad is not None
    return result.detach(), leaf.grad


def doubt(loss: EvolvedLoss) -> float:
    return float(response(SensorNumbers.of(loss.params), loss.loss_state.values(), C).doubt.mean())


def assert_close_states(loss: EvolvedLoss, other: EvolvedLoss) -> None:
    found, expected = state_of(loss), state_of(other)
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=1e-3, atol=2e-4, msg=lambda text, n=name: n + text
        )


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The way of each call that has terms."""
    found: list[str] = []

    def counted_few(*arguments: Any) -> Tensor | None:
        result = few_rows.few_rows(*arguments)
        if result is not None:
            found.append("few")
        return result

    def counted_rows(*arguments: Any) -> Tensor:
        found.append("rows")
        return cpu_rows.reduced_rows(*arguments)

    monkeypatch.setattr("evoloss.losses.base.few_rows", counted_few)
    monkeypatch.setattr("evoloss.losses.base.reduced_rows", counted_rows)
    return found


def test_statistics_and_gradients_are_those_of_the_general_way(ways: list[str]) -> None:
    """Over a training in which labels come to be doubted, with calls that have no fast way in between."""
    n_samples = 620  # of ten batches some rows are to be ignored, or NaN
    fast, general = sensing(n_samples), generally(sensing(n_samples))
    largest = 0.0
    for step in range(200):
        logits, target = batch(step)
        if step % 11 == 4:
            target = 0.6 * F.one_hot(target, C).float() + 0.4 * F.one_hot(target.roll(1), C)
        elif step % 7 == 3:
            target[::5] = -100
        if step % 13 == 6:
            logits[3] = torch.nan
            logits[5:20, 3] = -torch.inf  # also of samples with this label
        value, made = gradient(fast, logits, target)
        expected, expected_gradient = gradient(general, logits, target)
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5, equal_nan=True)
        torch.testing.assert_close(made, expected_gradient, rtol=2e-3, atol=2e-6, equal_nan=True)
        assert_close_states(fast, general)
        largest = max(largest, doubt(fast))
    assert largest > 0.9
    assert all(value.isfinite().all() for value in fast.loss_state.values().values())
    assert ways.count("few") > 100
    assert ways.count("rows") > 20
    assert len(ways) < 190


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("shape", [(1, 2), (2, 3), (40, 10), (300, 100)], ids=str)
def test_sizes_dtypes_weights_and_reductions(
    shape: tuple[int, int], dtype: torch.dtype, reduction: Any, ways: list[str]
) -> None:
    weight = torch.linspace(0.5, 2, shape[1], dtype=dtype)
    options: dict[str, Any] = {"n_samples": 2 * shape[0], "reduction": reduction, "weight": weight}
    fast, general = sensing(**options), generally(sensing(**options))
    digit = torch.finfo(dtype).eps
    for step in range(8):
        logits, target = batch(10 * step, *shape)
        value, made = gradient(fast, logits.to(dtype), target)
        expected, expected_gradient = gradient(general, logits.to(dtype), target)
        assert value.dtype == expected.dtype == made.dtype == dtype
        torch.testing.assert_close(value, expected, rtol=max(1e-4, 2 * digit), atol=1e-5)
        torch.testing.assert_close(made, expected_gradient, rtol=max(1e-3, 2 * digit), atol=1e-5)
    assert_close_states(fast, general)
    assert set(ways) == {"few" if shape != (300, 100) else "rows"}


def test_calls_without_a_fast_way_go_the_general_one_and_all_count_once(ways: list[str]) -> None:
    """In any order; what counts are the samples that the sensor has seen."""
    loss, seen = sensing(), 0
    logits, target = batch(30)
    ignored = target.clone()
    ignored[:4] = -100
    probabilities = F.one_hot(target, C).float()
    calls: list[tuple[Tensor, Tensor, int]] = [
        (logits, target, BATCH),
        (logits, probabilities, BATCH),
        (logits.double(), target, BATCH),
        (logits, ignored, BATCH - 4),
        (logits.repeat(40, 1), target.repeat(40), 40 * BATCH),
        (torch.cat([torch.full((3, C), torch.nan), logits[3:]]), target, BATCH - 3),
        (logits[:0], target[:0], 0),
        (logits[:1], target[:1], 1),
    ]
    for rows, labels, number in calls * 2:
        leaf = rows.clone().requires_grad_()
        loss(leaf, labels).backward()
        seen += number
        values = loss.loss_state.values()
        assert int(values["completed"] * N_SAMPLES + values["into"]) == seen
    heavy = sensing(weight=torch.full((C,), 1e12))  # with which few_rows does not go on
    heavy(logits.clone().requires_grad_(), target)
    assert int(heavy.loss_state.into) == BATCH
    assert {"few", "rows"} == set(ways)
    before = state_of(loss)
    with pytest.raises(IndexError):
        loss(logits.clone().requires_grad_(), target + C)
    with torch.no_grad():
        loss(logits, target)
    loss(logits, target)
    loss.eval()(logits.clone().requires_grad_(), target)
    assert_same_state(loss, before)


def test_synchronised_losses_and_kinds_without_a_fast_way_go_the_general_one(ways: list[str]) -> None:
    logits, target = batch(0)
    loss = sensing()
    loss.loss_state.synchronised = True
    remembering = EvolvedLoss(RememberingNetwork(), torch.zeros(1))
    for criterion in (loss, remembering):
        before = state_of(criterion)
        gradient(criterion, logits, target)
        assert changed(before, state_of(criterion))
    assert ways == []


def test_second_derivatives_are_those_of_the_call() -> None:
    """Also where the statistics have moved on since."""

    def curvature(loss: EvolvedLoss) -> Tensor:
        for step in range(120):
            gradient(loss, *batch(step))
        logits, target = batch(120)
        leaf = logits.requires_grad_()
        value = loss(leaf, target)
        for step in range(100):  # before anything is differentiated
            gradient(loss, *batch(step))
        (slope,) = torch.autograd.grad(value, leaf, create_graph=True)
        (second,) = torch.autograd.grad(slope.square().sum(), leaf)
        return second

    fast, general = sensing(), generally(sensing())
    torch.testing.assert_close(curvature(fast), curvature(general), rtol=1e-3, atol=1e-7)
    assert_close_states(fast, general)


def test_buffers_that_are_put_elsewhere_are_found() -> None:
    """Copies, resets, loaded statistics, replaced buffers and other memory in the same buffer."""
    loss = sensing()
    gradient(loss, *batch(0))
    other = copy.deepcopy(loss)
    before = state_of(loss)
    gradient(other, *batch(1))
    assert_same_state(loss, before)
    loss.load_state_dict(state_of(other))
    gradient(loss, *batch(2))
    gradient(other, *batch(2))
    assert_same_state(loss, state_of(other))
    loss.loss_state.agreement = torch.tensor(0.25)
    loss.loss_state.confident.data = loss.loss_state.confident.data.clone()
    other.loss_state.agreement.fill_(0.25)
    gradient(loss, *batch(3))
    gradient(other, *batch(3))
    assert_same_state(loss, state_of(other))
    buffer = loss.loss_state.confident
    loss.reset()
    gradient(loss, *batch(4, classes=3))
    assert loss.loss_state.confident is buffer
    assert buffer.shape == (3,)
    with pytest.raises(ValueError, match="a training with 3 classes"):
        gradient(loss, *batch(5))


def test_a_failed_first_call_leaves_nothing_behind() -> None:
    loss = sensing()
    logits, target = batch(0)
    with pytest.raises(IndexError):
        gradient(loss, logits, target + C)
    assert_same_state(loss, state_of(sensing()))


@pytest.mark.filterwarnings("ignore:this loss follows its training by the epoch")
@pytest.mark.parametrize("prepare", [lambda loss: loss, generally], ids=["fast", "general"])
def test_a_size_that_is_known_is_not_lost_to_a_checkpoint_that_has_none(prepare: Any) -> None:
    untold, other, told = EvolvedLoss(SensingNetwork(), doubting()), sensing(7), prepare(sensing())
    gradient(untold, *batch(0))
    saved = untold.state_dict()
    told.load_state_dict(saved)
    assert told.loss_state.n_samples == N_SAMPLES
    assert told.loss_state.into == BATCH
    assert saved["loss_state.n_samples"] == 0  # nothing is written to the checkpoint
    gradient(told, *batch(1))
    assert told.loss_state.n_samples == N_SAMPLES
    told.load_state_dict(other.state_dict())
    assert told.loss_state.n_samples == 7  # a training goes on as it was
