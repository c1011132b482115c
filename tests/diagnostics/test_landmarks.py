from __future__ import annotations

import math

import pytest
import torch

from evoloss.diagnostics.criterion import NotApplicable, NotApplicableError
from evoloss.diagnostics.curves import loss_curve
from evoloss.diagnostics.landmarks import Landmarks, gradient_at_uniform, measure_landmarks
from tests.diagnostics import reference_losses


def landmarks_of(name: str, n_classes: int = 10) -> Landmarks:
    loss = reference_losses.LOSSES[name]
    return measure_landmarks(loss, loss_curve(loss, n_classes=n_classes))


@pytest.mark.parametrize(
    ("name", "at_uniform"),
    [
        ("cross_entropy", math.log(10)),
        ("mae", 1.8),
        ("gce", (1 - 0.1**0.7) / 0.7),
        ("brier", 0.9),
        ("inverse", 10.0),
    ],
)
def test_losses_whose_minimum_is_perfection(name: str, at_uniform: float) -> None:
    result = landmarks_of(name)
    assert result.perfect_is_lowest
    assert 1 - result.lowest_at < 2e-8
    assert result.loss_at_uniform == pytest.approx(at_uniform)
    assert result.loss_at_perfect == pytest.approx(1.0 if name == "inverse" else 0.0, abs=1e-7)


def test_smoothing_wants_less_than_certainty() -> None:
    result = landmarks_of("smoothed")
    assert not result.perfect_is_lowest
    assert result.lowest_at == pytest.approx(0.91, abs=0.01)  # 1 - eps + eps / C


def test_broken_losses_are_lowest_elsewhere() -> None:
    assert landmarks_of("negated").lowest_at == pytest.approx(1e-8)
    assert landmarks_of("blind").lowest_at == pytest.approx(0.1, abs=0.01)
    assert not landmarks_of("negated").perfect_is_lowest


@pytest.mark.parametrize(
    ("name", "relative"),
    [
        ("cross_entropy", lambda c: 1.0),
        ("mae", lambda c: 2 / c),
        ("gce", lambda c: c**-0.7),
        ("brier", lambda c: 2 / c),
        ("smoothed", lambda c: 0.9),
        ("negated", lambda c: -1.0),
        ("blind", lambda c: 0.0),
    ],
)
def test_gradient_at_uniform_relative_to_cross_entropy(name: str, relative) -> None:  # type: ignore[no-untyped-def]
    found = landmarks_of(name).gradient_at_uniform
    assert list(found) == [2, 10, 100, 1000]
    assert list(found.values()) == pytest.approx([relative(c) for c in found], abs=1e-12)
    assert gradient_at_uniform(reference_losses.LOSSES[name], 7) == pytest.approx(relative(7), abs=1e-12)


def test_class_counts_that_are_refused_are_recorded_beside_the_others() -> None:
    loss = reference_losses.ten_classes_only
    found = measure_landmarks(loss, loss_curve(loss, n_classes=10)).gradient_at_uniform
    assert found[10] == pytest.approx(1.0)
    assert found[2] == NotApplicable("expected 10 classes, got 2")


def test_infinite_stretches_are_passed_over() -> None:
    def pole(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        losses = reference_losses.cross_entropy(logits, target)
        return torch.where(losses > 3, losses * torch.nan, losses)

    assert measure_landmarks(pole, loss_curve(pole)).perfect_is_lowest
    with pytest.raises(NotApplicableError, match="finite nowhere"):
        measure_landmarks(pole, loss_curve(lambda z, y: reference_losses.mae(z, y) * torch.nan))
