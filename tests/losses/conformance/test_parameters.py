"""Parameters of an evolved loss that are given to a call: their values, and the gradient by them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, stack_module_state

from evoloss import EvolvedLoss
from tests.losses.cases import make_indices, make_logits, make_probs
from tests.losses.conformance.subjects import WITH_PARAMETERS, C, Subject, over
from tests.losses.evolved_losses import after_a_batch

KINDS = ("index", "smoothed", "probabilities")
# Relative to the norm of the gradient; what half precision adds is the rounding of probabilities as labels.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-4, torch.bfloat16: 1e-2, torch.float16: 1e-3}


def over_with_kinds() -> pytest.MarkDecorator:
    """Every evolved loss with one kind of label, in turn; all with all of them among the slow tests."""
    cases = [
        pytest.param(
            subject, kind, marks=[] if (i + j) % 3 == 0 else pytest.mark.slow, id=f"{subject.name} {kind}"
        )
        for i, subject in enumerate(WITH_PARAMETERS)
        for j, kind in enumerate(KINDS)
    ]
    return pytest.mark.parametrize(("subject", "kind"), cases)


def named(name: str) -> Subject:
    return next(subject for subject in WITH_PARAMETERS if subject.name == name)


def built(subject: Subject, kind: str = "index") -> EvolvedLoss:
    loss = subject.build(label_smoothing=0.2 if kind == "smoothed" else 0.0)
    assert isinstance(loss, EvolvedLoss)
    if loss.network.keeps_state:
        after_a_batch(loss)  # before it, parameters need not matter
    return loss


def same_with(loss: EvolvedLoss, params: Tensor) -> EvolvedLoss:
    """A loss that is built with other parameters; its state, if it keeps one, is that of this loss."""
    other = EvolvedLoss(loss.network, params, label_smoothing=loss.label_smoothing)
    other.load_state_dict(loss.state_dict())
    return other.train(loss.training)


def batch(kind: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Logits that every dtype holds, and labels."""
    logits = make_logits(9, C).mul(16).round().div(16).to(dtype)
    return logits, make_probs(9, C, dtype=dtype) if kind == "probabilities" else make_indices(9, n_classes=C)


def value(loss: EvolvedLoss, params: Tensor, data: tuple[Tensor, Tensor]) -> Tensor:
    found: Tensor = functional_call(loss, {"params": params}, data)
    return found.double()


def gradient(loss: EvolvedLoss, data: tuple[Tensor, Tensor]) -> Tensor:
    params = loss.params.double().requires_grad_()
    (found,) = torch.autograd.grad(value(loss, params, data), params)
    return found


def others(loss: EvolvedLoss, n: int) -> list[Tensor]:
    """Parameters near those of a loss, all different."""
    generator = torch.Generator().manual_seed(5)
    return [loss.params * (1 + 0.01 * torch.randn(loss.params.shape, generator=generator)) for _ in range(n)]


@over_with_kinds()
def test_gradient_by_the_parameters_is_that_of_differences(subject: Subject, kind: str) -> None:
    loss, data = built(subject, kind), batch(kind, torch.float64)
    params = loss.params.double()
    way = torch.randn(len(params), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    way, step = way / way.norm(), 1e-5
    ahead, behind = (float(same_with(loss, params + sign * step * way)(*data)) for sign in (1, -1))
    found = gradient(loss, data)
    error = abs(float(found @ way) - (ahead - behind) / (2 * step))
    assert error < 1e-6 * (1 + float(found.norm()))
    assert float(found.norm()) > 1e-3


@over_with_kinds()
def test_gradient_by_the_parameters_in_every_precision_and_by_transforms(subject: Subject, kind: str) -> None:
    loss = built(subject, kind)
    wanted = gradient(loss, batch(kind, torch.float64))
    for dtype, tolerance in TOLERANCE.items():
        found = gradient(loss, batch(kind, dtype))
        assert float((found - wanted).norm() / wanted.norm()) < tolerance, dtype
    data = batch(kind, torch.float32)
    transformed = torch.func.grad(lambda params: value(loss, params, data))(loss.params.double())
    assert float((transformed - wanted).norm() / wanted.norm()) < TOLERANCE[torch.float32]


@over(WITH_PARAMETERS)
def test_an_ensemble_under_vmap_is_its_losses(subject: Subject) -> None:
    loss = built(subject)
    losses = [same_with(loss, params) for params in others(loss, 2)]
    data = batch("probabilities", torch.float32)
    _, buffers = stack_module_state(losses)

    def call(buffers: dict[str, Tensor]) -> Tensor:
        found: Tensor = functional_call(losses[0], buffers, data)
        return found

    together = torch.func.vmap(call)(buffers)
    alone = torch.stack([row_loss(*data) for row_loss in losses])
    spread = max(abs(row_loss.least_cost(C)) for row_loss in losses)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4 + 1e-6 * spread)


def freed(loss: EvolvedLoss, n: int) -> Iterator[Tensor]:
    """Tensors that nobody else holds: the next may lie where this one was."""
    for at in range(n):
        yield others(loss, n)[at]


def reused(loss: EvolvedLoss, n: int) -> Iterator[Tensor]:
    """Tensors that share the memory of one array."""
    memory = np.empty(loss.params.shape, dtype=np.float32)
    for params in others(loss, n):
        memory[:] = params.numpy()
        yield torch.from_numpy(memory)


def check_fresh_parameters(loss: EvolvedLoss, n: int) -> None:
    """A call with parameters is that of a loss that is built with them, wherever they lie."""
    data = batch("index", torch.float32)
    wanted = [same_with(loss, params)(*data) for params in others(loss, n)]
    found = [functional_call(loss, {"params": params}, data) for params in freed(loss, n)]
    found += [functional_call(loss, {"params": params}, data) for params in reused(loss, n)]
    assert torch.equal(torch.stack(found), torch.stack(wanted * 2))
    assert len({float(value) for value in wanted}) > 0.9 * n


@over(WITH_PARAMETERS)
def test_fresh_parameters_are_those_of_the_call(subject: Subject) -> None:
    loss = built(subject)
    check_fresh_parameters(loss, 2 if loss.network.is_tabulated or not subject.any_count else 10)


@pytest.mark.slow
@over(WITH_PARAMETERS)
def test_forty_fresh_parameters(subject: Subject) -> None:
    check_fresh_parameters(built(subject), 40)


@over([named("evolved-base"), named("evolved-noise"), named("evolved monotone")])
def test_parameters_written_to_in_any_way(subject: Subject) -> None:
    loss, data = built(subject), batch("index", torch.float32)
    first, second, third = others(loss, 3)
    wanted = [same_with(loss, params)(*data) for params in (first, second, third)]
    loss(*data)
    loss.params.data.copy_(first)  # unseen by the tensor's version
    assert torch.equal(loss(*data), wanted[0])
    loss.params.numpy()[:] = second.numpy()
    assert torch.equal(loss(*data), wanted[1])
    with torch.no_grad():
        loss.params.copy_(third)
    assert torch.equal(loss(*data), wanted[2])


def test_parameters_without_a_form_are_refused_as_long_as_they_are_numbers() -> None:
    loss = built(named("evolved classwise"))
    upside_down = torch.cat([loss.params[:-4], -loss.params[-4:]])
    for params in (upside_down, upside_down.clone().requires_grad_()):
        with pytest.raises(ValueError, match=f"no canonical form at {C} classes"):
            functional_call(loss, {"params": params}, batch("index", torch.float32))


def test_learning_a_loss_by_its_gradient_lowers_what_is_asked_for() -> None:
    """Meta-learning in small: the parameters go where one step of training helps most."""
    loss = built(named("evolved mixture"))
    inputs = torch.randn(32, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = (inputs[:, 0] > 0).long()

    def after_a_step(params: Tensor) -> Tensor:
        weight = torch.zeros(6, 2, dtype=torch.float64, requires_grad=True)
        inner = functional_call(loss, {"params": params}, (inputs @ weight, labels))
        (slope,) = torch.autograd.grad(inner, weight, create_graph=True)
        second = weight - 0.5 * slope
        inner = functional_call(loss, {"params": params}, (inputs @ second, labels))
        (slope,) = torch.autograd.grad(inner, second, create_graph=True)
        return F.cross_entropy(inputs @ (second - 0.5 * slope), labels)

    params = loss.params.double().requires_grad_()
    costs = []
    for _ in range(6):
        cost = after_a_step(params)
        costs.append(float(cost.detach()))
        (slope,) = torch.autograd.grad(cost, params)
        params = (params - 20 * slope).detach().requires_grad_()
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < costs[0] - 1e-3
