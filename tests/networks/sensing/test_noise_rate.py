"""The estimate of the share of wrong labels: right where there is one, and none where nobody can tell."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
import torch

from evoloss.losses import EvolvedLoss
from evoloss.networks import NETWORKS, NoiseRate, SensesNoise
from evoloss.networks.sensing.course import EPOCHS, READINGS
from evoloss.networks.sensing.noise_rate import before_memorising, fitted, inputs, noise_rate
from tests.networks.sensing.streams import Noise, by_heart, learning, one_sided, sensing, symmetric, trained

C = 10


def told(rate: NoiseRate) -> tuple[float, float, float]:
    """Low, estimate and high of a rate that was told."""
    low, estimate, high = rate.low, rate.estimate, rate.high
    assert low is not None, str(rate)
    assert estimate is not None
    assert high is not None
    return low, estimate, high


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize(
    ("noise", "truth"),
    [
        (symmetric(0.0, C), 0.0),
        (symmetric(0.2, C), 0.2),
        (symmetric(0.4, C), 0.4),
        (symmetric(0.6, C), 0.6),
        (one_sided(0.4), 0.2),
    ],
)
def test_a_classifier_that_learns_tells_it(noise: Noise, truth: float, general: bool) -> None:
    low, estimate, high = told(trained(sensing(general=general), learning(noise)).noise_rate)
    assert low <= truth <= high
    assert estimate == pytest.approx(truth, abs=0.05)


@pytest.mark.parametrize("batch", [8, 100, 600])
def test_whatever_the_size_of_the_batch(batch: int) -> None:
    _, estimate, _ = told(trained(sensing(), learning(symmetric(0.4, C), batch=batch)).noise_rate)
    assert estimate == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("n_classes", [2, 3, 30])
def test_other_class_counts(n_classes: int) -> None:
    noise = symmetric(0.3, n_classes)
    loss = trained(sensing(6000), learning(noise, n_classes=n_classes, n_samples=6000))
    _, estimate, _ = told(loss.noise_rate)
    assert estimate == pytest.approx(0.3, abs=0.08)


def test_unequal_classes() -> None:
    stream = learning(symmetric(0.3, C), n_samples=6000, imbalance=20)
    _, estimate, _ = told(trained(sensing(6000), stream).noise_rate)
    assert estimate == pytest.approx(0.3, abs=0.06)


def test_it_cannot_tell_where_labels_are_known_by_heart_and_nothing_is_learned() -> None:
    rate = trained(sensing(), by_heart()).noise_rate
    assert rate.estimate is rate.low is rate.high is None
    assert str(rate).startswith("cannot tell: it may be anything from ")
    assert "from the first epochs on the model knows labels by heart" in rate.reason


@pytest.mark.parametrize(
    ("n_classes", "readings", "expected"),
    [
        # Of READINGS: right, by_odds, by_squares, lowest, sure_lowest, recall.
        (2, (0.61, 0.42, 0.41, 0.4, 0.4, 0.01), "predictions agree with only 61 % of the labels"),
        (10, (0.22, 0.8, 0.77, 0.7, 0.36, 0.01), "predictions agree with only 22 % of the labels"),
        (2, (0.79, 0.2, 0.19, 0.19, 0.19, 0.01), "of two classes a wrong label and a hard sample"),
        (3, (0.79, 0.35, 0.3, 0.1, 0.02, 0.01), "wrong labels look like hard samples in these data"),
        (2, (0.79, 0.2, 0.19, 0.19, 0.19, 0.5), "from the first epochs on the model knows labels by heart"),
    ],
)
def test_it_says_why_it_cannot_tell(
    monkeypatch: pytest.MonkeyPatch, n_classes: int, readings: tuple[float, ...], expected: str
) -> None:
    rows = np.array([[500, *readings]] * 6)
    monkeypatch.setattr("evoloss.networks.sensing.noise_rate.WIDEST", 0.0)
    rate = noise_rate(rows, n_classes)
    assert rate.estimate is None
    assert rate.reason.split("; ")[1].startswith(expected)
    assert "hardly learned" not in rate.reason


def test_it_says_from_which_epoch_on_labels_are_known_by_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.array([[3000, 0.5, 0.45, 0.42, 0.38, 0.37, 0.0]] * 8)
    rows[4:, -1] = 0.12
    monkeypatch.setattr("evoloss.networks.sensing.noise_rate.WIDEST", 0.0)
    assert "; from epoch 5 on the model knows labels by heart" in noise_rate(rows, C).reason


@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_it_cannot_tell_before_two_epochs_are_over(epochs: int) -> None:
    rate = trained(sensing(), learning(symmetric(0.4, C), epochs=epochs)).noise_rate
    read = f"epochs that have been read: {max(0, epochs - 1)}, needed: 2"
    assert rate.estimate is None
    assert re.fullmatch(rf"{read} \(n_samples is [\d,]+\)", rate.reason)


@pytest.mark.parametrize(("n_classes", "needed"), [(2, 50), (10, 100)])
def test_it_cannot_tell_from_few_samples(n_classes: int, needed: int) -> None:
    """So few are known by heart before a recall can say it, and then nothing looks wrong."""
    rows = np.array([[needed - 1, 0.99, 0.02, 0.01, 0.01, 0.01, 0.01]] * 6)
    rate = noise_rate(rows, n_classes)
    assert rate.estimate is None
    assert rate.reason == (
        f"samples of an epoch that were read: {needed - 1}, needed with {n_classes} classes: {needed}"
    )
    rows[:, 0] = needed
    assert "were read" not in noise_rate(rows, n_classes).reason


def test_it_cannot_tell_without_the_size_of_the_training_set() -> None:
    with pytest.warns(UserWarning, match="n_samples"):
        rate = trained(sensing(None), learning(symmetric(0.4, C), epochs=3)).noise_rate
    assert str(rate) == "cannot tell: the size of the training set is not known: give n_samples"


def test_one_class() -> None:
    loss = sensing(8)
    for _ in range(4):
        loss(torch.zeros(8, 1, requires_grad=True), torch.zeros(8, dtype=torch.int64))
    assert loss.noise_rate.estimate is None
    assert noise_rate(np.ones((4, len(READINGS))), 1) == NoiseRate(reason="there is one class")


def test_reading_it_changes_nothing() -> None:
    loss = trained(sensing(), learning(symmetric(0.4, C), epochs=4))
    before = copy.deepcopy(loss.loss_state.values())
    assert loss.noise_rate == loss.noise_rate
    for name, value in loss.loss_state.values().items():
        assert torch.equal(value, before[name]), name


def test_it_is_held_when_labels_begin_to_be_memorised() -> None:
    rows = np.array([[3000, 0.5, 0.45, 0.42, 0.38, 0.37, 0.0]] * 8)
    held = noise_rate(rows, C)
    rows[4:] = [3000, 0.95, 0.01, 0.0, 0.0, 0.0, 0.12]
    assert len(before_memorising(rows)) == 4
    low, estimate, high = told(noise_rate(rows, C))
    assert estimate == pytest.approx(told(held)[1], abs=0.03)
    assert low < estimate < high


def test_it_is_finite_whatever_was_read() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        rows = generator.uniform(0, 1, (EPOCHS, len(READINGS)))
        rows[:, 0] = generator.choice([1, 100, 1e6])
        rate = noise_rate(rows, int(generator.integers(2, 1000)))
        assert rate.reason or 0 <= told(rate)[0] <= told(rate)[1] <= told(rate)[2] <= 1


def test_inputs_are_as_many_as_were_fitted() -> None:
    values, bounds = inputs(np.full((5, len(READINGS)), 0.5), C)
    for network in fitted()["networks"]:
        assert network["mean"].shape == (values.shape[1],)
    assert bounds.shape == (4, 2)


def test_losses_that_sense_nothing_say_so() -> None:
    rate = EvolvedLoss("evolved-base").noise_rate
    assert rate.estimate is None
    assert str(rate) == "cannot tell: this loss does not sense how many labels are wrong; adaptive does"
    senses = [kind for kind, network in NETWORKS.items() if issubclass(network, SensesNoise)]
    assert senses == ["sensing"]
