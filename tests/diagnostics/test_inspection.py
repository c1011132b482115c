from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from torch import Tensor

from evoloss.diagnostics import Calibration, Inspection, NotApplicable, inspect_loss
from evoloss.errors import ConfigError
from tests.diagnostics import reference_losses


@pytest.fixture(scope="module")
def cross_entropy() -> Inspection:
    return inspect_loss(reference_losses.cross_entropy, n_classes=4, seed=3)


def test_every_diagnostic_is_there(cross_entropy: Inspection) -> None:
    assert (cross_entropy.n_classes, cross_entropy.seed) == (4, 3)
    assert (cross_entropy.curve.rest, cross_entropy.rival_curve.rest) == ("uniform", "rival")
    assert list(cross_entropy.calibration) == [2, 3, 10]
    for field in dataclasses.fields(cross_entropy):
        assert not isinstance(getattr(cross_entropy, field.name), NotApplicable), field.name


def test_the_dictionary_is_strict_json(cross_entropy: Inspection) -> None:
    record = cross_entropy.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["schema"] == 1
    assert record["ranking"]["consistency"] == 1.0
    assert record["calibration"]["10"]["share"] == 1.0
    assert record["wrong_side"]["verdict"] == "persists"
    assert record["landmarks"]["gradient_at_uniform"]["100"] == pytest.approx(1.0)
    assert len(record["curve"]["p"]) == len(record["curve"]["loss"])


def test_same_seed_same_bits_and_the_global_generator_is_left_alone(cross_entropy: Inspection) -> None:
    state = torch.random.get_rng_state()
    assert inspect_loss(reference_losses.cross_entropy, n_classes=4, seed=3) == cross_entropy
    assert torch.equal(torch.random.get_rng_state(), state)
    other = inspect_loss(reference_losses.cross_entropy, n_classes=4, seed=4)
    assert other.class_sum != cross_entropy.class_sum


def test_a_loss_of_fixed_class_count_is_inspected_where_it_can_be() -> None:
    inspection = inspect_loss(reference_losses.ten_classes_only, n_classes=10)
    assert inspection.calibration[3] == NotApplicable("expected 10 classes, got 3")
    assert isinstance(inspection.calibration[10], Calibration)
    record = inspection.to_dict()
    assert record["calibration"]["2"] == {"not_applicable": "expected 10 classes, got 2"}
    assert record["landmarks"]["gradient_at_uniform"]["10"] == pytest.approx(1.0)


def test_a_loss_without_finite_values_is_recorded_not_raised() -> None:
    def broken(logits: Tensor, target: Tensor) -> Tensor:
        return reference_losses.cross_entropy(logits, target) * torch.nan

    inspection = inspect_loss(broken, n_classes=3)
    assert isinstance(inspection.ranking, NotApplicable)
    assert isinstance(inspection.landmarks, NotApplicable)
    record = inspection.to_dict()
    assert record["curve"]["loss"][0] is None
    json.dumps(record, allow_nan=False)


def test_what_cannot_be_inspected_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="with 2 to 100,000 classes, got 1"):
        inspect_loss(reference_losses.cross_entropy, n_classes=1)
    with pytest.raises(ConfigError, match="cannot be inspected with 4 classes: expected 10 classes"):
        inspect_loss(reference_losses.ten_classes_only, n_classes=4)
    with pytest.raises(ConfigError, match='reduction="none"'):
        inspect_loss(torch.nn.CrossEntropyLoss(), n_classes=4)


def test_unknown_exceptions_of_the_loss_propagate() -> None:
    def fails_on_large_batches(logits: Tensor, target: Tensor) -> Tensor:
        if len(logits) > 1000:
            raise RuntimeError("out of luck")
        return reference_losses.cross_entropy(logits, target)

    with pytest.raises(RuntimeError, match="out of luck"):
        inspect_loss(fails_on_large_batches, n_classes=3)
