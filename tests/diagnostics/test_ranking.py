from __future__ import annotations

import pytest

from evoloss.diagnostics.criterion import NotApplicableError
from evoloss.diagnostics.ranking import measure_ranking
from evoloss.errors import ConfigError
from evoloss.random_streams import stream
from tests.diagnostics import reference_losses


@pytest.mark.parametrize("n_classes", [2, 10, 100])
@pytest.mark.parametrize("name", ["cross_entropy", "mae", "gce", "inverse"])
def test_losses_that_fall_with_p_y_are_consistent(name: str, n_classes: int) -> None:
    result = measure_ranking(reference_losses.LOSSES[name], n_classes=n_classes, generator=stream(0, "r"))
    assert result.consistency == 1.0
    assert result.kendall_tau == pytest.approx(1.0)
    assert result.spearman_rho == pytest.approx(1.0)
    assert 1700 < result.n_pairs <= 2048


def test_the_negated_loss_is_consistently_wrong() -> None:
    result = measure_ranking(reference_losses.negated, n_classes=10, generator=stream(0, "r"))
    assert result.consistency == 0.0
    assert result.kendall_tau == pytest.approx(-1.0)


@pytest.mark.parametrize("name", ["brier", "smoothed"])
def test_losses_that_look_at_the_rest_are_consistent_in_part(name: str) -> None:
    result = measure_ranking(reference_losses.LOSSES[name], n_classes=10, generator=stream(0, "r"))
    assert 0.8 < result.consistency < 0.99


def test_brier_at_two_classes_is_a_function_of_p_y() -> None:
    assert measure_ranking(reference_losses.brier, n_classes=2, generator=stream(0, "r")).consistency == 1.0


def test_a_loss_that_ignores_the_label_ranks_by_chance() -> None:
    result = measure_ranking(reference_losses.blind, n_classes=10, generator=stream(0, "r"))
    assert 0.3 < result.consistency < 0.7


def test_refusals() -> None:
    with pytest.raises(NotApplicableError):
        measure_ranking(reference_losses.ten_classes_only, n_classes=3, generator=stream(0, "r"))
    with pytest.raises(ConfigError, match="no order to compare"):
        measure_ranking(lambda z, y: 0 * z.sum(dim=1), n_classes=3, generator=stream(0, "r"))
