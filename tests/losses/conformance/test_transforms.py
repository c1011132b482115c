"""The same calls within transforms of ``torch.func`` and in compiled code, and second derivatives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.losses.conformance.comparison import expected, gradient_fault, prepared, value_fault
from tests.losses.conformance.grid import Call, covering_calls
from tests.losses.conformance.subjects import SUBJECTS, Subject, over

# One call in so many, others for each subject: together the subjects see all of them.
every_share = pytest.mark.parametrize("share", [8, pytest.param(4, marks=pytest.mark.slow)])


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def some_calls(subject: Subject, share: int) -> list[Call]:
    """Every so many-th call, others for each subject."""
    calls = covering_calls(subject.any_count)
    return list(calls[SUBJECTS.index(subject) % share :: share])


@every_share
@over(SUBJECTS)
def test_functional_gradients(subject: Subject, share: int) -> None:
    loss, faults = subject.build(), []
    for call in some_calls(subject, share):
        _, incoming, wanted = expected(subject.name, prepared(loss, call), call)
        logits = call.logits().detach()
        target = call.labels(logits)

        def total(z: Tensor, target: Tensor = target, incoming: Tensor = incoming) -> Tensor:
            value: Tensor = loss(z, target)
            return (value * incoming.to(value.dtype)).sum()

        found = torch.func.grad(total)(logits)
        if (fault := gradient_fault(loss, call, found, wanted)) is not None:
            faults.append(f"{call}: {fault}")
    assert faults == []


def batched(call: Call) -> tuple[Tensor, Tensor]:
    """Three calls at once, along a last axis of the logits and a first one of the labels."""
    logits = call.logits().detach()
    target = call.labels(logits)
    return torch.stack([logits, -logits, logits / 2], dim=-1), torch.stack([target, target, target])


@every_share
@over(SUBJECTS)
def test_vmap(subject: Subject, share: int) -> None:
    loss, faults = subject.build(), []
    for call in some_calls(subject, share):
        logits, target = batched(call)
        options = {**call.options(), "weight": call.options()["weight"]}
        try:
            torch.func.vmap(lambda z, y, o=options: F.cross_entropy(z, y, **o), in_dims=(-1, 0))(
                logits, target
            )
        except RuntimeError:
            continue  # PyTorch's own does not either
        prepared(loss, call)
        found = torch.func.vmap(loss, in_dims=(-1, 0))(logits, target)
        alone = torch.stack([loss(z, y) for z, y in zip(logits.unbind(-1), target, strict=True)])
        if (fault := value_fault(loss, call, found, alone)) is not None:
            faults.append(f"{call}: {fault}")
    assert faults == []


def compiled_faults(subject: Subject, calls: list[Call]) -> list[str]:
    """What is wrong in compiled code, one line a call."""
    loss, faults = subject.build(), []
    for call in calls:
        torch._dynamo.reset()
        wanted, incoming, wanted_gradient = expected(subject.name, prepared(loss, call), call)
        logits = call.logits().detach().requires_grad_()  # a leaf with the strides of the layout
        value = torch.compile(loss, backend="aot_eager")(logits, call.labels(logits))
        (gradient,) = torch.autograd.grad(value, logits, incoming.to(value.dtype))
        fault = value_fault(loss, call, value, wanted) or gradient_fault(
            loss, call, gradient, wanted_gradient
        )
        if fault is not None:
            faults.append(f"{call}: {fault}")
    return faults


@pytest.mark.parametrize(
    ("name", "at"), [("brier", 0), ("focal", 1), ("evolved-base", 2), ("evolved-noise", 3)]
)
def test_compiled_code(name: str, at: int, fresh_compiler: None) -> None:
    subject = next(subject for subject in SUBJECTS if subject.name == name)
    calls = [call for call in covering_calls(True) if call.layout in ("channels last", "(N, C, d1, d2)")]
    assert compiled_faults(subject, [calls[at]]) == []


@pytest.mark.slow
@over(SUBJECTS)
def test_compiled_code_of_every_loss(subject: Subject, fresh_compiler: None) -> None:
    assert compiled_faults(subject, list(covering_calls(subject.any_count))) == []
