from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch.nn.functional as F

from evoloss.diagnostics.wrong_side import PROBES, measure_wrong_side
from tests.diagnostics import reference_losses


def at_uniform(slope_in_p: Callable[[float], float], n_classes: int) -> float:
    p = 1 / n_classes
    return -p * (1 - p) * slope_in_p(p)


@pytest.mark.parametrize("n_classes", [2, 10])
@pytest.mark.parametrize(
    ("name", "slope_in_p", "exponent", "verdict"),
    [
        ("cross_entropy", lambda p: -1 / p, 0.0, "persists"),
        ("gce", lambda p: -(p**-0.3), 0.7, "vanishes"),
        ("mae", lambda p: -2.0, 1.0, "vanishes"),
        ("inverse", lambda p: -1 / p**2, -1.0, "explodes"),
    ],
)
def test_functions_of_p_y(name: str, slope_in_p, exponent: float, verdict: str, n_classes: int) -> None:  # type: ignore[no-untyped-def]
    result = measure_wrong_side(reference_losses.LOSSES[name], n_classes=n_classes)
    assert result.p == PROBES == (1e-2, 1e-4, 1e-8)
    assert result.slope_in_p == pytest.approx([slope_in_p(p) for p in PROBES], rel=1e-7)
    assert result.slope_in_log_p == pytest.approx([p * slope_in_p(p) for p in PROBES], rel=1e-7)
    assert result.gradient == pytest.approx([-p * (1 - p) * slope_in_p(p) for p in PROBES], rel=1e-7)
    assert result.exponent == pytest.approx(exponent, abs=1e-4)
    assert result.relative == pytest.approx(result.gradient[-1] / at_uniform(slope_in_p, n_classes), rel=1e-7)
    assert result.verdict == verdict


def test_brier_has_a_bounded_slope_along_spread_mass() -> None:
    result = measure_wrong_side(reference_losses.brier, n_classes=10)
    assert result.slope_in_p == pytest.approx([-2 * (1 - p) * 10 / 9 for p in PROBES], rel=1e-7)
    assert result.verdict == "vanishes"


def test_a_loss_that_is_no_function_of_p_still_has_its_slope_along_the_curve() -> None:
    # (z_y - mean z)^2 / 2 along the curve: the other logits move too, and the sum of gradients is 0.
    result = measure_wrong_side(
        lambda z, y: (z.gather(1, y[:, None]).squeeze(1) - z.mean(dim=1)) ** 2 / 2, n_classes=2
    )
    expected = [0.5 * 0.5 * math.log(p / (1 - p)) / (1 - p) for p in PROBES]
    assert result.slope_in_log_p == pytest.approx(expected, rel=1e-9)


def test_broken_losses() -> None:
    negated = measure_wrong_side(reference_losses.negated, n_classes=10)
    assert negated.verdict == "reversed"
    assert math.isnan(negated.exponent)
    flat = measure_wrong_side(lambda z, y: F.relu(reference_losses.mae(z, y) - 5), n_classes=10)
    assert flat.verdict == "vanishes"
    assert flat.gradient == (0.0, 0.0, 0.0)
    overflowing = measure_wrong_side(lambda z, y: (reference_losses.inverse(z, y)).exp(), n_classes=10)
    assert overflowing.verdict == "explodes"


def test_a_slow_part_does_not_hide_that_most_of_the_pull_is_lost() -> None:
    # The little cross-entropy keeps the exponent at 0, yet a confident mistake has lost nearly all its pull.
    result = measure_wrong_side(
        lambda z, y: reference_losses.mae(z, y) + 0.001 * reference_losses.cross_entropy(z, y), n_classes=10
    )
    assert result.exponent == pytest.approx(0.0, abs=0.05)
    assert result.verdict == "vanishes"


def test_without_a_pull_at_uniform_the_exponent_decides() -> None:
    result = measure_wrong_side(reference_losses.blind, n_classes=10)
    assert math.isnan(result.relative)
    assert result.verdict == "persists"
