from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.diagnostics.class_sum import measure_class_sum
from evoloss.random_streams import stream
from tests.diagnostics import reference_losses


def normalised(logits: Tensor, target: Tensor) -> Tensor:
    """Any non-negative loss over its class sum is symmetric (Ma et al. 2020)."""
    return reference_losses.cross_entropy(logits, target) / -F.log_softmax(logits, dim=1).sum(dim=1)


@pytest.mark.parametrize("n_classes", [2, 10])
@pytest.mark.parametrize("loss", [reference_losses.mae, normalised])
def test_symmetric_losses_have_a_constant_sum(loss, n_classes: int) -> None:  # type: ignore[no-untyped-def]
    result = measure_class_sum(loss, n_classes=n_classes, generator=stream(0, "c"))
    assert result.constant
    assert result.spread < 1e-12


@pytest.mark.parametrize("name", ["cross_entropy", "gce", "brier", "smoothed", "inverse"])
def test_others_have_not(name: str) -> None:
    result = measure_class_sum(reference_losses.LOSSES[name], n_classes=10, generator=stream(0, "c"))
    assert not result.constant
    assert result.spread > 0.05


def test_brier_spread_against_its_formula() -> None:
    # Sum over k of |p - e_k|^2 is C |p|^2 - 2 + C, with |p|^2 from 1/C to 1: C - 1 to 2 C - 2.
    result = measure_class_sum(reference_losses.brier, n_classes=3, generator=stream(0, "c"))
    assert 0.6 < result.spread < (4 - 2) / 2
    nearly = measure_class_sum(
        lambda z, y: reference_losses.mae(z, y) + 1e-3 * reference_losses.brier(z, y),
        n_classes=3,
        generator=stream(0, "c"),
    )
    assert not nearly.constant
    assert nearly.spread < 1e-3


def test_a_shift_by_a_constant_keeps_a_symmetric_loss_symmetric() -> None:
    result = measure_class_sum(
        lambda z, y: reference_losses.mae(z, y) - 5, n_classes=4, generator=stream(0, "c")
    )
    assert result.constant


def test_a_loss_of_zeros_is_constant() -> None:
    result = measure_class_sum(lambda z, y: torch.zeros(len(z)), n_classes=4, generator=stream(0, "c"))
    assert (result.spread, result.constant) == (0.0, True)


def test_fewer_predictions_where_classes_are_many() -> None:
    few = measure_class_sum(reference_losses.mae, n_classes=700, generator=stream(0, "c"))
    many = measure_class_sum(reference_losses.mae, n_classes=10, generator=stream(0, "c"))
    assert few.n_predictions < many.n_predictions == 512
    assert few.constant
