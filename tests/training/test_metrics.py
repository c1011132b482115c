from __future__ import annotations

import math

import pytest
import torch

from evoloss.training.metrics import chance, evaluate_logits


def test_against_values_by_hand() -> None:
    probs = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.35, 0.65], [0.4, 0.6]])
    labels = torch.tensor([0, 1, 1, 1])
    found = evaluate_logits(probs.log(), labels)
    assert found is not None
    assert found.accuracy == 75.0
    assert found.nll == pytest.approx(-sum(math.log(p) for p in (0.9, 0.1, 0.65, 0.6)) / 4, rel=1e-6)
    # Bins of 1/15: 0.9 twice (half right), 0.65 and 0.6 apart (0.6 is the edge of two bins).
    assert found.ece == pytest.approx((2 * abs(0.5 - 0.9) + 0.35 + 0.4) / 4, abs=1e-6)


def test_accuracy_is_exact() -> None:
    logits = torch.eye(3).repeat(120, 1)[:359]
    labels = torch.arange(359) % 3
    labels[:4] = (labels[:4] + 1) % 3
    found = evaluate_logits(logits, labels)
    assert found is not None
    assert found.accuracy == 100 * 355 / 359


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_outputs_that_are_not_finite_are_no_evaluation(bad: float) -> None:
    logits = torch.zeros(4, 3)
    logits[2, 1] = bad
    assert evaluate_logits(logits, torch.zeros(4, dtype=torch.int64)) is None


def test_chance_is_the_uniform_prediction_on_balanced_classes() -> None:
    found = evaluate_logits(torch.zeros(50, 5), torch.arange(50) % 5)
    expected = chance(5)
    assert found is not None
    assert found.accuracy == expected.accuracy == 20.0
    assert found.nll == pytest.approx(expected.nll)
    assert found.ece == pytest.approx(expected.ece, abs=1e-6)
