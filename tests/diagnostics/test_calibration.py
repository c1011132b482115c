from __future__ import annotations

import pytest
import torch
from torch import Tensor

from evoloss.diagnostics.calibration import MINIMUM_GAP, label_distributions, measure_calibration
from evoloss.errors import ConfigError
from evoloss.random_streams import stream
from tests.diagnostics import reference_losses


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_label_distributions_are_distributions_without_near_ties(n_classes: int) -> None:
    q = label_distributions(200, n_classes, stream(0, "q"))
    assert q.shape == (200, n_classes)
    torch.testing.assert_close(q.sum(dim=1), torch.ones(200, dtype=torch.float64))
    assert q.min() >= 0
    top = q.topk(2, dim=1).values
    assert (top[:, 0] - top[:, 1]).min() > MINIMUM_GAP
    assert q.argmax(dim=1).unique().numel() == n_classes


# Cross-entropy and Brier are proper: the minimiser is q. Smoothing mixes q with the uniform distribution.
# The expected MAE, 2 (1 - q . p), is linear in p: its infimum is the vertex of the largest q. GCE: between.
@pytest.mark.parametrize("n_classes", [2, 3, 10])
@pytest.mark.parametrize("name", ["cross_entropy", "brier", "smoothed", "mae", "gce"])
def test_calibrated_losses(name: str, n_classes: int) -> None:
    result = measure_calibration(
        reference_losses.LOSSES[name], n_classes=n_classes, generator=stream(0, "cal"), n_distributions=16
    )
    assert result.share == 1.0
    assert result.worst_regret == 0.0
    assert (result.n_classes, result.n_distributions) == (n_classes, 16)


@pytest.mark.parametrize("name", ["cross_entropy", "brier"])
def test_the_minimiser_of_a_proper_loss_is_the_label_distribution(name: str) -> None:
    result = measure_calibration(
        reference_losses.LOSSES[name], n_classes=3, generator=stream(1, "cal"), n_distributions=8
    )
    assert result.worst_prediction == pytest.approx(result.worst_distribution, abs=1e-3)


def test_the_minimiser_of_mae_is_a_vertex() -> None:
    result = measure_calibration(reference_losses.mae, n_classes=3, generator=stream(1, "cal"))
    assert max(result.worst_prediction) > 0.999


def test_the_negated_loss_follows_the_unlikely_class() -> None:
    # It falls without bound both ways, faster toward the less likely class; a start can lie astride.
    result = measure_calibration(reference_losses.negated, n_classes=2, generator=stream(0, "cal"))
    assert result.share < 0.1
    assert result.worst_regret > 0.5


@pytest.mark.parametrize("n_classes", [2, 10])
def test_a_loss_that_ignores_the_label_is_calibrated_by_chance(n_classes: int) -> None:
    result = measure_calibration(reference_losses.blind, n_classes=n_classes, generator=stream(0, "cal"))
    assert result.share < 0.75
    assert result.worst_regret > MINIMUM_GAP


def test_a_loss_that_swaps_two_classes_misses_where_they_matter() -> None:
    def swapped(logits: Tensor, target: Tensor) -> Tensor:
        return reference_losses.cross_entropy(logits, torch.tensor([1, 0, 2])[target])

    result = measure_calibration(swapped, n_classes=3, generator=stream(0, "cal"), n_distributions=60)
    assert 0.1 < result.share < 0.6  # right where the likeliest class is the third
    worst = result.worst_distribution
    assert result.worst_regret == pytest.approx(abs(worst[0] - worst[1]))
    assert result.worst_prediction[0] == pytest.approx(worst[1], abs=1e-3)


def test_a_descent_that_leaves_the_finite_numbers_counts_as_a_miss() -> None:
    result = measure_calibration(
        lambda z, y: reference_losses.cross_entropy(z, y) * torch.nan, n_classes=3, generator=stream(0, "cal")
    )
    assert result.share == 0.0


def test_class_counts_out_of_range() -> None:
    with pytest.raises(ConfigError, match="at least 2 classes"):
        label_distributions(4, 1, stream(0, "q"))
    with pytest.raises(ConfigError, match="near tie"):
        label_distributions(4, 2000, stream(0, "q"))
