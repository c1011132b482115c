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


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_outputs_that_are_not_finite_are_no_evaluation(bad: float) -> None:
    logits = torch.zeros(4, 3)
    logits[2, 1] = bad
    assert evaluate_logits(logits, torch.zeros(4, dtype=torch.int64)) is None


MASKS = [-math.inf, *(torch.finfo(dtype).min for dtype in (torch.float32, torch.bfloat16, torch.float16))]


@pytest.mark.parametrize("mask", MASKS)
def test_masked_classes_are_classes_that_are_not_there(mask: float) -> None:
    logits = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % 4
    without = evaluate_logits(logits[:, :4], labels)
    logits[:, 4:] = mask
    found = evaluate_logits(logits, labels)
    assert found is not None
    assert without is not None
    assert found.accuracy == without.accuracy
    assert found.nll == pytest.approx(without.nll, rel=1e-12)
    assert found.ece == pytest.approx(without.ece, abs=1e-6)


@pytest.mark.parametrize("mask", MASKS)
def test_a_masked_label_is_an_error_without_a_likelihood(mask: float) -> None:
    logits = torch.tensor([[2.0, 0.0, mask], [2.0, 0.0, mask], [0.0, 1.0, 1.0]])
    labels = torch.tensor([0, 2, 1])
    with pytest.warns(UserWarning, match="masks the label of 1 of 3 samples"):
        found = evaluate_logits(logits, labels)
    assert found is not None
    assert found.accuracy == pytest.approx(200 / 3)
    rows = [math.log(1 + math.exp(-2.0)), math.log(2 + math.exp(-1.0))]
    assert found.nll == pytest.approx(sum(rows) / 2)


def test_where_nothing_is_left_there_is_no_evaluation() -> None:
    logits = torch.zeros(2, 3)
    logits[1] = -math.inf
    assert evaluate_logits(logits, torch.tensor([0, 0])) is None, "a row without a class"
    logits = torch.tensor([[0.0, -math.inf], [0.0, -math.inf]])
    with pytest.warns(UserWarning, match="2 of 2"):
        assert evaluate_logits(logits, torch.tensor([1, 1])) is None, "no label is there"


def test_chance_is_the_uniform_prediction_on_balanced_classes() -> None:
    found = evaluate_logits(torch.zeros(50, 5), torch.arange(50) % 5)
    expected = chance(5)
    assert found is not None
    assert found.accuracy == expected.accuracy == 20.0
    assert found.nll == pytest.approx(expected.nll)
    assert found.ece == pytest.approx(expected.ece, abs=1e-6)
