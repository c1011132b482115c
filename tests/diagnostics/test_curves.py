from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evoloss.diagnostics.criterion import NotApplicableError
from evoloss.diagnostics.curves import P_MIN, Rest, loss_curve, predictions_on_curve
from evoloss.errors import ConfigError
from tests.diagnostics import reference_losses


@settings(deadline=None, max_examples=60)
@given(st.floats(-18.0, 18.0), st.integers(2, 50), st.sampled_from(["uniform", "rival"]))
def test_predictions_are_normalised_and_have_the_asked_odds(odds: float, n_classes: int, rest: Rest) -> None:
    log_probs = predictions_on_curve(torch.tensor([odds], dtype=torch.float64), n_classes, rest)
    assert float(log_probs.exp().sum()) == pytest.approx(1.0, abs=2e-10)
    p = 1 / (1 + math.exp(-odds))
    assert float(log_probs[0, 0].exp()) == pytest.approx(p, rel=1e-12)
    others = log_probs[0, 1:].exp()
    heaviest = (1 - p) / (n_classes - 1) if rest == "uniform" else 1 - p
    assert float(others.amax()) == pytest.approx(heaviest, rel=1e-6)


def test_the_grid_is_symmetric_in_log_odds_and_reaches_both_ends() -> None:
    curve = loss_curve(reference_losses.cross_entropy, points=101)
    assert len(curve.p) == len(curve.loss) == len(curve.gradient) == 101
    assert curve.p[0] == pytest.approx(P_MIN, rel=1e-9)
    assert 1 - curve.p[-1] == pytest.approx(P_MIN, rel=1e-6)
    assert curve.p[50] == pytest.approx(0.5)
    assert list(curve.p) == sorted(curve.p)


@pytest.mark.parametrize("rest", ["uniform", "rival"])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
@pytest.mark.parametrize(
    ("name", "loss", "gradient"),
    [
        ("cross_entropy", lambda p: -math.log(p), lambda p: 1 - p),
        ("mae", lambda p: 2 * (1 - p), lambda p: 2 * p * (1 - p)),
        ("gce", lambda p: (1 - p**0.7) / 0.7, lambda p: p**0.7 * (1 - p)),
    ],
)
def test_losses_of_p_y_alone(rest: Rest, n_classes: int, name: str, loss, gradient) -> None:  # type: ignore[no-untyped-def]
    curve = loss_curve(reference_losses.LOSSES[name], n_classes=n_classes, rest=rest, points=41)
    assert curve.loss == pytest.approx([loss(p) for p in curve.p], rel=1e-6, abs=2e-10)
    assert curve.gradient == pytest.approx([gradient(p) for p in curve.p], rel=1e-6, abs=2e-10)


def test_brier_tells_a_rival_from_spread_mass() -> None:
    spread = loss_curve(reference_losses.brier, n_classes=10, points=41)
    rival = loss_curve(reference_losses.brier, n_classes=10, rest="rival", points=41)
    assert spread.loss == pytest.approx([(1 - p) ** 2 * (1 + 1 / 9) for p in spread.p], abs=1e-9)
    assert rival.loss == pytest.approx([2 * (1 - p) ** 2 for p in rival.p], abs=1e-9)


def test_invalid_calls_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2 classes, got 1"):
        loss_curve(reference_losses.cross_entropy, n_classes=1)
    with pytest.raises(ConfigError, match="at least 2 points, got 1"):
        loss_curve(reference_losses.cross_entropy, points=1)
    with pytest.raises(ConfigError, match="'uniform' or 'rival', got 'flat'"):
        loss_curve(reference_losses.cross_entropy, rest="flat")  # type: ignore[arg-type]
    with pytest.raises(NotApplicableError, match="expected 10 classes, got 3"):
        loss_curve(reference_losses.ten_classes_only, n_classes=3)
