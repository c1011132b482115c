"""Contradictions of small training sets: right labels that are slow to learn are none, wrong ones are."""

from __future__ import annotations

import math
from collections.abc import Callable
from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.losses import EvolvedLoss
from evoloss.networks.sensing.few import MOST_SAMPLES, evidence_of_few, excess
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.population import SensingStates
from evoloss.networks.sensing.response import response
from tests.networks.sensing.streams import learning, sensing, symmetric, trained

# Contradictions and mistakes after two epochs and later, of cnn_small on CIFAR-10 images with right labels,
# with cross-entropy: the slowest of 1,000 images, and the fastest of 5,000 at a rate of 0.3.
RIGHT = {
    1000: [(0.65, 0.77), (0.48, 0.68), (0.40, 0.64), (0.28, 0.61), (0.20, 0.54), (0.13, 0.48), (0.09, 0.39)],
    5000: [(0.35, 0.63), (0.26, 0.58), (0.20, 0.54), (0.15, 0.50), (0.10, 0.45), (0.10, 0.41), (0.04, 0.37)],
}
# Of mlp on digits with 20 % symmetric noise.
WRONG = [(0.16, 0.29), (0.13, 0.25), (0.11, 0.24), (0.09, 0.22)]


def training(mistakes: float, completed: float = 2, known: float = 1.0) -> dict[str, Tensor]:
    values = {"last_mean": 1 - mistakes, "completed": completed, "last_known": known}
    return {name: torch.tensor(value) for name, value in values.items()}


def added_up(course: list[tuple[float, float]], n_samples: float, **state: float) -> Tensor:
    """The largest excess in epochs of ten batches; contradictions go from each reading to the next one."""
    totals = [torch.tensor(0.0)]
    for (reading, mistakes), (following, _) in zip(course, [*course[1:], course[-1]], strict=True):
        for step in range(10):
            now = torch.tensor(reading + (step + 0.5) / 10 * (following - reading))
            after = training(mistakes, **state)
            totals.append(excess(totals[-1], now, after, 0.1, torch.tensor(n_samples)))
    return torch.stack(totals).max()  # what was found is never lost


@pytest.mark.parametrize("n_samples", RIGHT)
def test_right_labels_that_are_slow_to_learn_are_no_evidence(n_samples: int) -> None:
    total = added_up(RIGHT[n_samples], n_samples)
    assert float(evidence_of_few(total, torch.tensor(float(n_samples)))) == 0


def test_wrong_labels_are_evident_within_two_epochs() -> None:
    total = added_up(WRONG[:2], 1150)
    assert float(evidence_of_few(total, torch.tensor(1150.0))) > 0.5


def test_it_is_the_cumulative_sum_of_its_formula() -> None:
    """By hand: half an epoch of 0.3 where 0.1 is explained, then one below what is."""
    mistakes = 0.4
    explained = mistakes**3 + 0.03 * mistakes
    after = training(mistakes)
    size = torch.tensor(500.0)
    total = excess(torch.tensor(0.02), torch.tensor(0.3), after, 0.5, size)
    assert float(total) == pytest.approx(0.02 + 0.5 * (0.3 - explained), rel=1e-5)
    assert float(excess(total, torch.tensor(0.0), after, 0.5, size)) == pytest.approx(
        float(total) - 0.5 * explained, rel=1e-5
    )
    assert float(excess(total, torch.tensor(0.0), after, 50.0, size)) == 0  # never below


def test_nothing_is_added_up_as_long_as_most_predictions_are_wrong() -> None:
    assert float(added_up([(0.9, 0.61)] * 3, 500.0)) == 0
    assert float(added_up([(0.9, 0.59)], 500.0)) > 0.5


@pytest.mark.parametrize(
    ("n_samples", "state"),
    [(MOST_SAMPLES + 1, {}), (500.0, {"completed": 1.0}), (500.0, {"known": 0.0})],
    ids=["a larger set", "the first epochs", "epochs of one batch"],
)
def test_nothing_is_added_up_of(n_samples: float, state: dict[str, float]) -> None:
    assert float(added_up(WRONG, n_samples, **state)) == 0
    assert float(added_up(WRONG, MOST_SAMPLES)) > 0


@pytest.mark.parametrize(("n_samples", "onset"), [(100.0, 0.1), (1000.0, 0.055)])
def test_the_fewer_samples_the_more_it_takes(n_samples: float, onset: float) -> None:
    of_samples = torch.tensor(n_samples)
    totals = torch.tensor([onset - 0.001, onset + 0.01, onset + 0.03])
    found = [float(evidence_of_few(total, of_samples)) for total in totals]
    assert found == pytest.approx([0.0, 0.5, 1.0], abs=1e-4)


def test_every_way_of_a_call_has_the_same_excess() -> None:
    """In use on both ways, and of students: in NumPy and, as compiled code has them, in tensors."""
    numbers = SensingStates(torch.stack([*SensorNumbers.of(SensorNumbers.set_by_hand().double())])[None])
    in_numpy, in_tensors = (numbers.begin(1, 2000) for _ in range(2))
    losses = [sensing(2000), sensing(2000, general=True)]
    labels, largest = symmetric(0.1, 10), 0.0
    for logits, target in learning(labels, n_samples=2000, epochs=4):
        log_probs = logits.double().log_softmax(1).T[None, None]
        is_label = F.one_hot(target, 10).bool().T[None, None]
        in_numpy.take_in(log_probs, is_label)
        with patch("torch.compiler.is_compiling", return_value=True):
            in_tensors.take_in(log_probs, is_label)
        for loss in losses:
            loss(logits.requires_grad_(), target).backward()
        students = [torch.as_tensor(training.state["excess"]).item() for training in (in_numpy, in_tensors)]
        assert students[0] == pytest.approx(students[1], abs=1e-12)
        found = [float(loss.loss_state.values()["excess"]) for loss in losses]
        assert found == pytest.approx([students[0]] * 2, abs=1e-6)
        largest = max(largest, found[0])
    assert largest > 0.05


def follow(loss: EvolvedLoss, noise: float, epochs: int = 6) -> dict[str, Tensor]:
    labels: Callable[[Tensor, torch.Generator], Tensor] = symmetric(noise, 10)
    return trained(loss, learning(labels, n_samples=2000, epochs=epochs)).loss_state.values()


@pytest.mark.parametrize("general", [False, True], ids=["fast", "general"])
def test_a_loss_doubts_wrong_labels_of_a_small_set_before_they_are_memorised(general: bool) -> None:
    state = follow(sensing(2000, general=general), 0.3)
    assert float(state["memorised"]) == 1
    assert float(state["by_heart"]) == 1
    assert float(state["plateau"]) > 0.2
    # What was found is held, and the course of the training is read on: nothing is known by heart yet.
    assert float(state["excess"]) < 0.15
    assert int((state["course"][:, 0] > 0).sum()) == 5
    clean = follow(sensing(2000, general=general), 0.0)
    assert float(clean["memorised"]) == 0
    assert math.isclose(float(clean["excess"]), 0, abs_tol=0.05)
    larger = follow(sensing(20_000, general=general), 0.3)
    assert float(larger["excess"]) == 0


@pytest.mark.parametrize("batch", [10, 50, 200, 500])
def test_doubt_does_not_hang_on_the_size_of_the_batch_that_wrong_labels_are_found_with(batch: int) -> None:
    loss = trained(sensing(2000), learning(symmetric(0.3, 10), n_samples=2000, epochs=5, batch=batch))
    state = loss.loss_state.values()
    made = response(SensorNumbers.of(loss.params), state, 10)
    assert float(made.doubt.mean()) > 0.95
    assert float(made.learning + made.doubt.max()) <= 1


def test_as_far_as_labels_are_doubted_learning_is_over() -> None:
    """While the evidence is less than a half, too; the shares of the response are never above 1."""
    loss = sensing(2000)
    for logits, target in learning(symmetric(0.15, 10), n_samples=2000, epochs=4, batch=20):
        loss(logits.requires_grad_(), target)
        state = loss.loss_state.values()
        assert float(state["by_heart"]) >= float(state["memorised"])
        made = response(SensorNumbers.of(loss.params), state, 10)
        assert float(made.learning + made.doubt.max()) <= 1 + 1e-6
