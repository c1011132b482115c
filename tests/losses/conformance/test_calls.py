"""Every kind of call, forward and backward, against plain float64 operations.

The slow test draws ``DRAWN`` calls of the grid for each loss, ten minutes for all losses on one core. With
``EVOLOSS_TEST_WHOLE_GRID=1`` in the environment it takes every call of the grid, for two hours::

    EVOLOSS_TEST_WHOLE_GRID=1 python -m pytest -m slow tests/losses/conformance/test_calls.py
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable

import pytest
import torch

from evoloss.losses import ClassificationLoss
from tests.losses.conformance.comparison import expected, gradient_fault, prepared, value_fault
from tests.losses.conformance.grid import Call, covering_calls, every_call
from tests.losses.conformance.subjects import SUBJECTS, Subject, over

DRAWN = 550


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


@over(SUBJECTS, every=2)
def test_calls_are_the_plain_rule_forward_and_backward(subject: Subject) -> None:
    assert faults(subject, covering_calls(subject.any_count)) == []


def calls_of_the_grid(subject: Subject) -> list[Call]:
    """All calls, or some drawn with the loss's name for a seed: losses together see nearly all."""
    calls = list(every_call(subject.any_count))
    if os.environ.get("EVOLOSS_TEST_WHOLE_GRID"):
        return calls
    return random.Random(subject.name).sample(calls, DRAWN)


def test_losses_together_see_nearly_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVOLOSS_TEST_WHOLE_GRID", raising=False)
    whole = set(every_call(any_count=True))
    drawn = [calls_of_the_grid(subject) for subject in SUBJECTS if subject.any_count]
    assert {len(set(calls)) for calls in drawn} == {DRAWN}
    assert len(set().union(*drawn)) > 0.85 * len(whole)
    monkeypatch.setenv("EVOLOSS_TEST_WHOLE_GRID", "1")
    assert set(calls_of_the_grid(SUBJECTS[0])) == whole


@pytest.mark.slow
@over(SUBJECTS)
def test_calls_of_the_grid(subject: Subject) -> None:
    assert faults(subject, calls_of_the_grid(subject)) == []
