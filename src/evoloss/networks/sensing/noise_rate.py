r"""An estimate of the share of wrong labels, from the course of a training.

After every epoch but the first, contradictions bound the share of wrong labels from above, and labels that
are the lowest class from below (:mod:`evoloss.networks.sensing.course`); the lower bound is held for a while,
since it falls as soon as labels begin to be known by heart. A small network, one hidden layer of tanh units,
says from readings without a scale where between 0 and both bounds the share lies, and how far it may be off.
What the epochs say is averaged, those that are most certain counting most.

The network was fitted to synthetic tasks alone (``python -m benchmarks.sensing.fit_noise_rate``), whose
share of wrong labels is known: symmetric, asymmetric, and of annotators who mix classes up, err where it is
unclear, and slip. Its numbers are in ``noise_rate.json`` beside this file.

Anchor points (Patrini et al. 2017, arXiv:1609.03683) and confident learning (Northcutt et al. 2021,
arXiv:1911.00068) estimate the whole matrix of confusions, from predictions of samples that were not trained
on; here there are only those of the training, before it is too late, and sums over them.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoloss.networks.noise_rate import NoiseRate
from evoloss.networks.sensing.course import READINGS

LEAST_EPOCHS = 2
"""Rows of a course that an estimate needs."""
LEAST_SAMPLES, LEAST_PER_CLASS = 50, 10
"""Samples of an epoch, and of them for each class, that an estimate needs.

With fewer, labels are known by heart before a recall, rough as it is, can say so, and few look wrong.
"""
WIDEST = 0.4
"""Length of an interval from which on it says nothing."""
_HELD = 0.93  # of the lower bound, from one epoch to the next
_KNOWN_BY_HEART = 0.03  # recall
_ROUGHNESS = 1.5  # of a recall, times the root of the samples of an epoch
_LITTLE = 0.35  # share of the way from guessing to agreement with all labels
_LEAST = 0.01  # share of which logarithms are taken
_MOST_PER_CLASS = 2000.0  # samples; synthetic tasks have hardly more

Values = NDArray[np.float64]


def noise_rate(course: Values, n_classes: int) -> NoiseRate:
    """Estimate the share of wrong labels from a course.

    Args:
        course: its rows, ``(epochs, len(READINGS))``; those without samples do not count.
        n_classes: the class count.
    """
    read = course[course[:, 0] > 0].astype(np.float64)
    rows = before_memorising(read)
    if n_classes == 1:
        return NoiseRate(reason="there is one class")
    if len(rows) < LEAST_EPOCHS:
        return NoiseRate(reason=f"epochs that have been read: {len(rows)}, needed: {LEAST_EPOCHS}")
    samples, needed = round(rows[:, 0].max()), max(LEAST_SAMPLES, LEAST_PER_CLASS * n_classes)
    if samples < needed:
        return NoiseRate(
            reason=f"samples of an epoch that were read: {samples}, needed with {n_classes} classes: {needed}"
        )
    model = fitted()
    shares, widths = epoch_estimates(rows, n_classes, model)
    estimate, width = combined(shares, widths)
    low, high = max(0.0, estimate - model["margin"] * width), min(1.0, estimate + model["margin"] * width)
    if high - low > WIDEST:
        why = _why_unsure(rows, n_classes, memorised=len(rows) < len(read))
        return NoiseRate(reason=f"it may be anything from {low:.2f} to {high:.2f}; {why}")
    return NoiseRate(estimate, low, high)


def _why_unsure(rows: Values, n_classes: int, *, memorised: bool) -> str:
    """Say why the interval is wide, and what can be done about it.

    Args:
        rows: that the estimate is made of.
        n_classes: the class count.
        memorised: whether rows were cut off, since labels are known by heart.
    """
    if memorised:
        since = "the first epochs" if len(rows) <= LEAST_EPOCHS else f"epoch {len(rows) + 1}"
        return (
            f"from {since} on the model knows labels by heart, wrong ones too. A smaller model, a lower "
            "learning rate, augmentation or more samples delay that"
        )
    agreement = float(rows[-1, READINGS.index("right")])
    if agreement - 1 / n_classes < _LITTLE * (1 - 1 / n_classes):
        return (
            f"predictions agree with only {100 * agreement:.0f} % of the labels, so that wrong labels look "
            "like samples that are not learned yet. Train for more epochs, or with another learning rate"
        )
    if n_classes == 2:
        return (
            "of two classes a wrong label and a hard sample both show the other class, and look alike. More "
            "samples or a more accurate model narrow it"
        )
    return (
        "wrong labels look like hard samples in these data. More samples or a more accurate model narrow it"
    )


def before_memorising(rows: Values) -> Values:
    """The rows before the first one whose recall says that labels are known by heart; two at least.

    A recall is a slope over an epoch, and rough where an epoch is short.
    """
    known = _KNOWN_BY_HEART + _ROUGHNESS / np.sqrt(np.maximum(rows[:, 0], 1))
    late = np.flatnonzero(rows[:, READINGS.index("recall")] > known)
    return rows[: max(LEAST_EPOCHS, int(late[0]))] if len(late) else rows


def inputs(rows: Values, n_classes: int) -> tuple[Values, Values]:
    """Inputs of the network for each epoch but the first, and the bounds of the share.

    Args:
        rows: of a course, at least two.
        n_classes: the class count.

    Returns:
        Inputs, ``(epochs - 1, 13)``, and lower and upper bound, ``(epochs - 1, 2)``.
    """
    value = dict(zip(READINGS, rows.T, strict=True))
    by_odds, by_squares = value["by_odds"], value["by_squares"]
    held = np.minimum(_held(value["sure_lowest"]), by_squares)
    largest_recall = np.concatenate([[0.0], np.maximum.accumulate(value["recall"][1:])])
    per_class = np.log(np.minimum(value["number"].max() / n_classes, _MOST_PER_CLASS))
    columns = [
        value["right"],
        _log(by_odds),
        _log(by_squares),
        by_squares,
        _log(held),
        _log(value["lowest"]),
        _step(_log(by_squares)),
        _step(value["right"]),
        largest_recall,
        np.full(len(rows), 1 / n_classes),
        by_squares / (by_odds + 1e-3),
        by_squares / (1 - 1 / n_classes),
        np.full(len(rows), per_class),
    ]
    return np.stack(columns, axis=1)[1:], np.stack([held, by_squares], axis=1)[1:]


def epoch_estimates(rows: Values, n_classes: int, model: dict[str, Any]) -> tuple[Values, Values]:
    """Shares and mean errors of all epochs but the first, ``(epochs - 1,)`` each."""
    values, bounds = inputs(rows, n_classes)
    shares, widths = [], []
    for net in model["networks"]:
        scaled = (values - net["mean"]) / net["deviation"]
        out = np.tanh(scaled @ net["hidden"].T + net["hidden_bias"]) @ net["last"].T + net["last_bias"]
        parts = np.exp(out[:, :3] - out[:, :3].max(axis=1, keepdims=True))
        parts /= parts.sum(axis=1, keepdims=True)
        shares.append((parts[:, 1:] * bounds).sum(axis=1))
        widths.append(np.logaddexp(0.0, out[:, 3]) + model["least_width"])
    return np.mean(shares, axis=0), np.mean(widths, axis=0)


def combined(shares: Values, widths: Values) -> tuple[float, float]:
    """One estimate and its mean error: epochs count by the inverse square of theirs."""
    weights = widths**-2
    weights /= weights.sum()
    return float(weights @ shares), float(weights @ widths)


@lru_cache(maxsize=1)
def fitted() -> dict[str, Any]:
    """The numbers of the fit."""
    model: dict[str, Any] = json.loads(files(__package__).joinpath("noise_rate.json").read_text("utf-8"))
    networks = [{name: np.array(value) for name, value in net.items()} for net in model["networks"]]
    return {**model, "networks": networks}


def _held(lower: Values) -> Values:
    """The lower bound, which falls by 7 % an epoch at most; as it is in the first two."""
    held = lower.copy()
    for epoch in range(2, len(held)):
        held[epoch] = max(held[epoch], _HELD * held[epoch - 1])
    return held


def _log(share: Values) -> Values:
    return np.log(share + _LEAST)


def _step(values: Values) -> Values:
    """The change since the epoch before."""
    return np.diff(values, prepend=values[:1])
