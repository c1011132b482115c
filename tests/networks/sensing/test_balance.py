"""Classes that are given up are trusted again, and doubt that holds learning back is moderated."""

from __future__ import annotations

import pytest
import torch

from evoloss.formulas import ARRAYS, FLOATS, TENSORS
from evoloss.networks.sensing.balance import moderation, trust
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.response import response
from evoloss.networks.sensing.sensor import initial_state

NAMED = torch.tensor([0.25, 0.25, 0.25, 0.25], dtype=torch.float64)
PREDICTED = torch.tensor([0.5, 0.25, 0.125, 0.0], dtype=torch.float64)


def test_a_class_is_trusted_as_far_as_it_is_given_up() -> None:
    trusted = trust(PREDICTED, NAMED, torch.tensor(1e12), TENSORS, TENSORS)
    torch.testing.assert_close(trusted, torch.tensor([0.0, 0.0, 0.2, 1.0], dtype=torch.float64))


def test_it_is_the_same_in_numpy() -> None:
    trusted = trust(PREDICTED.numpy(), NAMED.numpy(), 4000.0, FLOATS, ARRAYS)
    wanted = trust(PREDICTED, NAMED, torch.tensor(4000.0, dtype=torch.float64), TENSORS, TENSORS)
    torch.testing.assert_close(torch.from_numpy(trusted), wanted)


def test_of_classes_that_hardly_occur_nothing_is_told() -> None:
    """Ten samples of 400 that a tenth of an epoch has are as many as predictions may lack."""
    named = torch.tensor([0.01, 0.99])
    assert trust(named * 0, named, torch.tensor(4000.0), TENSORS, TENSORS)[0] == 0
    assert trust(named * 0, named, torch.tensor(40000.0), TENSORS, TENSORS)[0] > 0.5


@pytest.mark.parametrize("memorised", [0.0, 0.6, 1.0])
def test_labels_of_a_class_that_is_given_up_are_not_doubted(memorised: float) -> None:
    numbers = SensorNumbers.of(SensorNumbers.set_by_hand())
    state = {**initial_state(4), "memorised": torch.tensor(memorised), "n_samples": torch.tensor(1e12)}
    state |= {
        "plateau": torch.ones(()),
        "by_heart": torch.ones(()),
        "predicted": PREDICTED.float(),
        "labelled": NAMED.float(),
    }
    doubt = response(numbers, state, 4).doubt
    torch.testing.assert_close(doubt, memorised * torch.tensor([1.0, 1.0, 0.8, 0.0]))


@pytest.mark.parametrize(
    ("reading", "factor"), [(0.0, 1.0), (0.1, 1.0), (0.15, 1.0), (0.2, 0.5625), (0.3, 0.25)]
)
def test_doubt_is_moderated_as_far_as_contradictions_come_to_be_more(reading: float, factor: float) -> None:
    assert moderation(0.1, reading, FLOATS) == pytest.approx(factor)
    of_tensors = moderation(torch.tensor(0.1), torch.tensor(reading), TENSORS)
    assert float(of_tensors) == pytest.approx(factor, rel=1e-5)
    numbers, state = SensorNumbers.of(SensorNumbers.set_by_hand()), initial_state(4)
    state |= {"memorised": torch.ones(()), "n_samples": torch.tensor(1e12), "plateau": torch.tensor(0.1)}
    state |= {"confident": torch.ones(4), "contradicted": torch.full((4,), reading)}
    torch.testing.assert_close(response(numbers, state, 4).doubt, torch.full((4,), factor))
