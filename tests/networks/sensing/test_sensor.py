"""The readings of a sensor on streams of statistics whose course is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from evoloss.formulas import FLOATS
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.response import response
from evoloss.networks.sensing.sensor import (
    batch_sums,
    contradiction,
    evidence,
    initial_state,
    moved_on,
    recall_error,
)
from evoloss.networks.states import RunningState
from evoloss.random_streams import stream

N, C = 6_000, 4
NUMBERS = SensorNumbers.of(SensorNumbers.set_by_hand().double())


def sums_of(number: int, right: float, contradicted: float) -> dict[str, Tensor]:
    """Those of a batch in which so large a share is right, and of every class so much contradicted."""
    values = {"number": number, "given": number * right, "right": number * right}
    confident = torch.full((C,), number / C, dtype=torch.float64)
    return {
        **{name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()},
        "confident": confident,
        "contradicted": contradicted * confident,
        "predicted": confident,
        "labelled": confident,
    }


def course(
    epochs: float,
    right: Callable[[float], float] = lambda time: 0.5,
    contradicted: Callable[[float], float] = lambda time: 0.0,
    *,
    batch: int = 100,
    n_samples: int = N,
) -> list[RunningState]:
    """The states after each batch of a training; the functions are of the time in epochs."""
    state: RunningState = {**initial_state(C), "n_samples": torch.tensor(float(n_samples))}
    states = []
    for step in range(round(epochs * n_samples / batch)):
        time = (step + 0.5) * batch / n_samples
        state = moved_on(NUMBERS, state, sums_of(batch, right(time), contradicted(time)))
        states.append(state)
    return states


def sawtooth(time: float, fall: float) -> float:
    return fall * (0.5 - time % 1)


@pytest.mark.parametrize(
    ("fall", "trend", "batch"),
    [(0.0, 0.02, 100), (0.03, 0.02, 8), (0.03, 0.0, 100), (0.2, 0.02, 500), (0.2, 0.0, 100)],
)
def test_the_recall_is_the_fall_within_an_epoch_whatever_the_trend(
    fall: float, trend: float, batch: int
) -> None:
    states = course(6, lambda time: 0.4 + trend * time + sawtooth(time, fall), batch=batch)
    assert float(states[-1]["recall"]) == pytest.approx(fall, abs=1e-4)
    assert float(states[-1]["completed"] + states[-1]["into"] / N) == pytest.approx(6)


def test_a_training_set_that_is_no_multiple_of_the_batch_stays_in_step() -> None:
    states = course(8, lambda time: 0.5 + sawtooth(time, 0.1), batch=96, n_samples=1_000)
    assert float(states[-1]["recall"]) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("batch", [N, N // 2, 3 * N])
def test_epochs_of_a_few_batches_have_no_recall_by_the_trend_alone(batch: int) -> None:
    states = course(30, lambda time: 1 - 0.9**time, batch=batch)
    assert abs(float(states[-1]["recall"])) < (1e-3 if batch < N else 1e-9)


@pytest.mark.parametrize("n_samples", [200, 1_000, 5_000])
def test_what_chance_makes_of_the_recall_has_the_error_that_is_said_and_is_no_sign(n_samples: int) -> None:
    epochs, batch, right = 200, n_samples // 20, 0.4
    hits = torch.rand(epochs * 20, batch, generator=stream(3, "chance")) < right
    shares = iter(hits.double().mean(1).tolist())
    states = course(epochs, lambda _: next(shares), lambda _: 0.1, batch=batch, n_samples=n_samples)[19::20]
    recalls = torch.stack([state["recall"] for state in states[10:]])
    error = recall_error(right, n_samples, 10, FLOATS)
    assert error == pytest.approx(math.sqrt(2 * 0.4 * 0.6 / n_samples))
    assert float(recalls.std()) == pytest.approx(error, rel=0.35)
    assert float(states[60]["by_heart"]) < 0.1


def test_contradictions_that_stay_are_a_plateau_and_those_that_are_learned_are_none() -> None:
    stay = course(16, contradicted=lambda time: 0.3 + 0.5 * math.exp(-time))
    assert float(stay[-1]["plateau"]) == pytest.approx(0.3, abs=0.03)
    for rate, n_samples in ((0.3, N), (0.5, 20_000)):
        states = course(16, contradicted=lambda time, rate=rate: 0.8 * math.exp(-rate * time))
        size = torch.tensor(float(n_samples))
        assert max(float(evidence(NUMBERS, state["plateau"], size)) for state in states) == 0.0
    # What is as good as chance is no reading, however long it stays.
    assert float(course(8, contradicted=lambda time: 1 - 1 / C)[-1]["plateau"]) < 0.01


@pytest.mark.parametrize(
    ("contradicted", "fall", "doubts"), [(0.3, 0.1, True), (0.3, 0.01, False), (0.0, 0.1, False)]
)
def test_labels_are_doubted_where_wrong_ones_are_memorised(
    contradicted: float, fall: float, doubts: bool
) -> None:
    """Not where none are memorised, as in a short training, nor where there are none."""
    states = course(8, lambda time: 0.6 + sawtooth(time, fall), lambda time: contradicted)
    responses = [response(NUMBERS, state, C) for state in states]
    assert responses[0].learning == 1
    assert responses[0].doubt.eq(0).all()
    assert (responses[-1].doubt > 0.5).eq(doubts).all()
    assert doubts or responses[-1].doubt.max() < 0.02
    # Where labels are memorised, right or wrong, it is over with learning.
    assert float(responses[-1].learning) == pytest.approx(1.0 if fall < 0.05 else 0.0, abs=0.05)
    kept = course(4, lambda time: 0.6 + sawtooth(time, fall), lambda time: contradicted)[-1]
    for _ in range(200):  # what was found is remembered when contradictions and the fall have gone
        kept = moved_on(NUMBERS, kept, sums_of(100, 0.6, 0.0))
    assert (float(kept["memorised"]) > 0.5) == doubts


def test_what_is_rather_so_than_not_is_certain_from_then_on() -> None:
    """Evidence of 0.6: doubt is nothing, less than a half, and then whole at once."""
    plateau = float(NUMBERS.clean + 0.6 * NUMBERS.span)
    states = course(
        16,
        lambda time: 0.6 + sawtooth(time, 0.006 * time),
        lambda time: plateau,
        batch=1000,
        n_samples=20_000,
    )
    found = {float(state["memorised"]) for state in states}
    assert found - {0.0, 1.0}
    assert max(found - {1.0}) <= 0.5
    assert found >= {0.0, 1.0}
    assert all(float(state["by_heart"]) == 1 for state in states if float(state["memorised"]) == 1)


def test_a_small_training_set_needs_a_higher_plateau_for_the_same_evidence() -> None:
    def of(n_samples: float) -> float:
        return evidence(NUMBERS, torch.tensor(0.145), torch.tensor(n_samples)).item()

    assert of(1e6) == of(20_000) == 1
    assert 0 < of(5_000) < 1
    assert of(2_500) == of(100) == 0


def test_a_batch_without_samples_changes_nothing() -> None:
    state = course(3, lambda time: 0.5 + sawtooth(time, 0.1), lambda time: 0.2)[-1]
    empty = {name: torch.zeros_like(value) for name, value in sums_of(1, 0.5, 0.5).items()}
    for name, value in moved_on(NUMBERS, state, empty).items():
        assert torch.equal(value, state[name].to(value.dtype)), name


def test_one_class_of_many_is_sensed() -> None:
    """As by asymmetric noise: the reading is a mean over classes, whatever is predicted of them."""
    predicted = torch.tensor([0] * 70 + [1] * 10 + [2] * 10 + [3] * 10)
    contradicted = (predicted == 1).double() * 0.4
    one_hot = torch.nn.functional.one_hot(predicted, C).double()
    top = torch.full((100,), 0.9, dtype=torch.float64).log()
    ones = torch.ones(100, dtype=torch.float64)
    sums = batch_sums(
        NUMBERS.emphasis, top, contradicted, ones, ones, ones, one_hot.sum(0), lambda values: values @ one_hot
    )
    state: RunningState = {**initial_state(C), "n_samples": torch.tensor(100.0)}
    assert float(contradiction(moved_on(NUMBERS, state, sums))) == pytest.approx(0.1)


def test_the_certain_count_most_and_none_counts_beyond_measure() -> None:
    top = torch.tensor([0.3, 0.9, 0.999999, 1.0], dtype=torch.float64).log()
    ones = torch.ones(4, dtype=torch.float64)
    sums = batch_sums(NUMBERS.emphasis, top, ones, ones, ones, ones, ones, lambda values: values)
    weights = sums["confident"].tolist()
    assert weights == sorted(weights)
    assert weights[1] == pytest.approx(81, rel=1e-6)
    assert weights[2] == weights[3] == pytest.approx(1e4, rel=1e-5)


def test_numbers_set_by_hand_are_within_their_ranges_and_survive_the_round_trip() -> None:
    for name, value in NUMBERS._asdict().items():
        assert 0 < float(value) < 20, name
    assert float(NUMBERS.strength) == pytest.approx(1.25, rel=1e-5)
    assert float(NUMBERS.onset) == pytest.approx(0.01, rel=1e-5)
