"""Every kind of call, forward and backward, against plain float64 operations."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch

from evoloss.losses import ClassificationLoss
from tests.losses.conformance.comparison import expected, gradient_fault, prepared, value_fault
from tests.losses.conformance.grid import Call, covering_calls, every_call
from tests.losses.conformance.subjects import SUBJECTS, Subject, over


def fault(subject: Subject, loss: ClassificationLoss, call: Call) -> str | None:
    """What is wrong with one call; None if nothing is."""
    logits = call.logits()
    wanted, incoming, wanted_gradient = expected(subject.name, prepared(loss, call), call)
    try:
        value = loss(logits, call.labels(logits))
        (gradient,) = torch.autograd.grad(value, logits, incoming.to(value.dtype))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        return f"{type(error).__name__}: {error}"
    return value_fault(loss, call, value, wanted) or gradient_fault(loss, call, gradient, wanted_gradient)


def faults(subject: Subject, calls: Iterable[Call]) -> list[str]:
    """What is wrong, one line a call."""
    loss = subject.build()
    return [f"{call}: {found}" for call in calls if (found := fault(subject, loss, call))]


@over(SUBJECTS)
def test_calls_are_the_plain_rule_forward_and_backward(subject: Subject) -> None:
    assert faults(subject, covering_calls(subject.any_count)) == []


@pytest.mark.slow
@over(SUBJECTS)
def test_every_call_of_the_grid(subject: Subject) -> None:
    assert faults(subject, every_call(subject.any_count)) == []
