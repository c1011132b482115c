from __future__ import annotations

import pytest
import torch

from evoloss.diagnostics.direct_prediction import START_SCALES, measure_direct_prediction
from evoloss.random_streams import stream
from tests.diagnostics import reference_losses


@pytest.mark.parametrize("n_classes", [2, 10])
def test_cross_entropy_reaches_every_label(n_classes: int) -> None:
    result = measure_direct_prediction(
        reference_losses.cross_entropy, n_classes=n_classes, generator=stream(0, "f")
    )
    assert result.adam == result.gradient_descent == 1.0
    assert result.gradient_descent_by_start == (1.0,) * len(START_SCALES)
    assert result.n_predictions == 100


@pytest.mark.parametrize("name", ["mae", "gce", "brier"])
def test_bounded_slopes_leave_confident_mistakes_to_plain_descent(name: str) -> None:
    result = measure_direct_prediction(reference_losses.LOSSES[name], n_classes=10, generator=stream(0, "f"))
    assert result.adam == 1.0
    assert result.gradient_descent_by_start[0] == 1.0
    assert 0.2 < result.gradient_descent_by_start[-1] < 0.9


def test_the_scale_of_a_loss_does_not_decide() -> None:
    unmodified, tiny = (
        measure_direct_prediction(
            lambda z, y, factor=factor: factor * reference_losses.cross_entropy(z, y),  # type: ignore[misc]
            n_classes=10,
            generator=stream(0, "f"),
        )
        for factor in (1.0, 1e-6)
    )
    assert unmodified == tiny


def test_broken_losses_do_not_reach_them() -> None:
    negated = measure_direct_prediction(reference_losses.negated, n_classes=10, generator=stream(0, "f"))
    assert negated.adam == 0.0
    # A start nearly certain of its label has no gradient to lose it by.
    assert negated.gradient_descent < 0.02
    blind = measure_direct_prediction(reference_losses.blind, n_classes=10, generator=stream(0, "f"))
    assert blind.adam < 0.3
    assert blind.gradient_descent < 0.3


def test_predictions_that_leave_the_finite_numbers_have_not_arrived() -> None:
    result = measure_direct_prediction(
        lambda z, y: reference_losses.cross_entropy(z, y) * torch.nan, n_classes=3, generator=stream(0, "f")
    )
    assert result.adam == result.gradient_descent == 0.0
