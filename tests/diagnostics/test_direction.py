from __future__ import annotations

import pytest
import torch.nn.functional as F

from evoloss.diagnostics.direction import measure_direction
from evoloss.diagnostics.predictions import LOGIT_SCALES
from evoloss.random_streams import stream
from tests.diagnostics import reference_losses


@pytest.mark.parametrize("n_classes", [2, 10])
@pytest.mark.parametrize("name", ["cross_entropy", "mae", "gce"])
def test_functions_of_p_y_point_where_cross_entropy_does(name: str, n_classes: int) -> None:
    result = measure_direction(reference_losses.LOSSES[name], n_classes=n_classes, generator=stream(0, "d"))
    assert result.toward_label == 1.0
    assert result.with_cross_entropy == 1.0
    assert result.mean_cosine == pytest.approx(1.0, abs=1e-7)
    assert tuple(row.logit_scale for row in result.by_scale) == LOGIT_SCALES


def test_brier_points_to_the_label_by_another_way() -> None:
    result = measure_direction(reference_losses.brier, n_classes=10, generator=stream(0, "d"))
    assert result.toward_label == 1.0
    assert 0.5 < result.mean_cosine < 0.95
    two = measure_direction(reference_losses.brier, n_classes=2, generator=stream(0, "d"))
    assert two.mean_cosine == pytest.approx(1.0)


def test_smoothing_pushes_only_sure_predictions_back() -> None:
    result = measure_direction(reference_losses.smoothed, n_classes=10, generator=stream(0, "d"))
    assert result.by_scale[0].toward_label == 1.0
    assert result.by_scale[-1].toward_label < 0.97
    assert result.toward_label == pytest.approx(sum(row.toward_label for row in result.by_scale) / 4)


def test_the_negated_loss_points_away() -> None:
    result = measure_direction(reference_losses.negated, n_classes=10, generator=stream(0, "d"))
    assert result.toward_label == 0.0
    assert result.with_cross_entropy == 0.0
    assert result.mean_cosine == pytest.approx(-1.0)


def test_a_loss_that_ignores_the_label_does_not_find_it() -> None:
    result = measure_direction(reference_losses.blind, n_classes=10, generator=stream(0, "d"))
    assert result.toward_label < 0.8
    assert result.mean_cosine < 0.5


def test_a_zero_gradient_counts_as_no_direction() -> None:
    result = measure_direction(
        lambda z, y: F.relu(reference_losses.mae(z, y) - 5), n_classes=10, generator=stream(0, "d")
    )
    assert (result.toward_label, result.with_cross_entropy, result.mean_cosine) == (0.0, 0.0, 0.0)


def test_tiny_gradients_keep_their_direction() -> None:
    result = measure_direction(
        lambda z, y: 1e-250 * reference_losses.cross_entropy(z, y), n_classes=10, generator=stream(0, "d")
    )
    assert result.mean_cosine == pytest.approx(1.0)
