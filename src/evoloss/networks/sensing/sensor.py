r"""Sensing wrong labels from within a training: running statistics, and readings of them.

The samples that a classifier is most certain about tell most: where labels are right, they are hardly ever
contradicted. Of the samples with predicted class k, weighted by :math:`\min(p / (1 - p), 100)^e` with p the
largest probability, :math:`c_k` is the share that their labels contradict, over about the last ``fast``
epochs, and c its mean over the classes: asymmetric noise leaves most classes alone. A contradiction counts as
far as it is surprising (:mod:`evoloss.networks.sensing.surprise`), which those of hard samples are less.

While a classifier learns, c falls. Where labels are wrong it stops above 0, on a *plateau*: it stays near its
mean over the last ``slow`` epochs. The highest plateau so far is remembered.

Wrong labels do harm as they are memorised, and that shows by itself. In an epoch of a shuffled training set
the samples of the first batches were seen half an epoch ago on average, those of the last ones one and a
half. What is memorised is forgotten meanwhile: predictions agree with the labels less and less from the start
of an epoch to its end, and jump at the start of the next. What is learned of all samples together does not do
that. The *recall* is this fall over an epoch: the share of right predictions at its start less that at its
end, less what the means of two epochs say of the trend. What chance may make of it counts for nothing.

In a small training set neither is seen; :mod:`evoloss.networks.sensing.few` has what is.

All is counted in samples and epochs: a batch of 8 and one of 512 give the same reading after the same data,
up to what a reading changes within a batch.

The formulas are written once, over the operations of :mod:`evoloss.formulas`: for tensors,
and for eager calls on a CPU with statistics in NumPy and plain numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Operations, limited
from evoloss.networks.sensing.balance import WINDOW as BALANCE_WINDOW
from evoloss.networks.sensing.few import evidence_of_few, excess
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.states import BatchSums, RunningState

_LARGEST_LOG_ODDS = math.log(100.0)
_AGREEMENT_WINDOW = 0.1  # epochs
_WARM_UP = 3.0  # epochs in which nothing is called a plateau
_KNOWN = 0.2  # how far below chance c has to be, as a share of it, to be a reading
_LEAST_REST = 1e-30  # of what the predicted class leaves to the others
TINY = torch.finfo(torch.float32).tiny
_PLACEHOLDER = 20_000.0  # samples of an epoch, as long as their number is not known
_LEAST_SPREAD = 0.05  # of the places of batches in an epoch, whose variance is 1 / 12 where there are many
_FIRST_RECALLS = 2  # epochs whose recall has to be known before it counts
DOUBTED = 0.5  # the sign of memorising from which on labels are doubted so much that there is no plateau
_RECALL_SHARE = 0.4  # of the last epoch in the mean recall
_ERRORS = 3.0  # standard errors by which a recall has to be above its onset
_SMOOTH = 20_000.0  # samples of an epoch from which on plateaus are no lower
_ROUGHEST = 8.0  # how many times fewer they count as at most: 2,500 is the fewest that were looked at
_ROUGHNESS_POWER = 0.6


Values = Mapping[str, Any]
"""Statistics or sums by name: tensors, or plain numbers and arrays of the classes."""


OF_CLASSES = ("confident", "contradicted", "shares", "predicted", "labelled")
"""Statistics with a number for each class."""


def initial_state(n_classes: int) -> RunningState:
    """The statistics of a training that has not begun, float32.

    Args:
        n_classes: the class count; length of ``confident`` and ``contradicted``, the weights of samples by
            predicted class, and of those that their labels contradict, of ``shares``, means of what the
            latter are of the former until labels are doubted, and of ``predicted`` and ``labelled``, the
            shares of predictions and of labels that each class has.

    Returns:
        By name, scalars but for those five: ``n_samples``, the size of the training set, 0 where it is not
        known; ``completed`` epochs, and samples ``into`` the next; ``agreement``, the probability that labels
        are given; ``slow``, the mean that c is compared with; ``plateau``, the highest one;
        ``excess``, the contradictions of a small set that mistakes do not explain. Of the epoch in progress
        ``epoch_number`` samples, ``epoch_right`` predictions and their ``epoch_moment``, and first
        and second moment of all places, ``epoch_place`` and ``epoch_spread``; of the last one the
        ``last_mean`` and ``last_slope`` of right predictions, ``last_known`` 1 if it has a slope. The number
        of ``recalls`` and their mean ``recall``; ``by_heart``, the strongest sign that labels are memorised,
        and ``memorised``, that wrong ones are.
    """
    state = {name: torch.zeros((), dtype=torch.float32) for name in SCALARS}
    return state | {name: torch.zeros(n_classes, dtype=torch.float32) for name in OF_CLASSES}


SCALARS = (
    *("n_samples", "completed", "into", "agreement", "slow", "plateau", "excess"),
    *("epoch_number", "epoch_right", "epoch_moment", "epoch_place", "epoch_spread"),
    *("last_mean", "last_slope", "last_known", "recalls", "recall", "by_heart", "memorised"),
)


def is_known(state: Values) -> Any:
    """Test whether the size of the training set is known, bool."""
    return state["n_samples"] > 0


def batch_sums(
    emphasis: Tensor,
    top: Tensor,
    contradicted: Tensor,
    surprising: Tensor,
    given: Tensor,
    counted: Tensor | None,
    labelled: Tensor,
    by_class: Callable[[Tensor], Tensor],
    of_samples: BatchOperations = TENSORS,
) -> BatchSums:
    """Sums over the samples of a batch, over the last axis of length N.

    Args:
        emphasis: see :class:`SensorNumbers`; broadcasts with the others.
        top: log-probabilities of the predicted classes, ``(..., N)``.
        contradicted: how far the labels are other classes, from 0 to 1, ``(..., N)``.
        surprising: how surprising that is, by :func:`.surprise.surprise`, ``(..., N)``.
        given: probabilities that are given to the labels, ``(..., N)``.
        counted: 1 for samples, 0 for rows that are none, ``(..., N)``; None where all are samples.
        labelled: the number of labels of each class, which broadcasts with ``(..., C)``.
        by_class: adds values of samples up by their predicted class, ``(..., 3, N)`` to ``(..., 3, C)``.
        of_samples: operations on samples.
    """
    on = of_samples
    weight, right = sample_weights(emphasis, top, on), 1 - contradicted
    ones = on.ones(top)
    if counted is not None:
        ones = ones * counted
        weight, right, given = (value * counted for value in (weight, right, given))
    of_classes = by_class(on.stack_rows([weight, weight * contradicted * surprising, ones]))
    return {
        "number": on.total(ones),
        "given": on.total(given),
        "right": on.total(right),
        "confident": of_classes[..., 0, :],
        "contradicted": of_classes[..., 1, :],
        "predicted": of_classes[..., 2, :],
        "labelled": labelled,
    }


def sample_weights(emphasis: Any, top: Any, of_samples: Operations = TENSORS) -> Any:
    """The odds of predicted classes to the power ``emphasis``, from their log-probabilities."""
    rest = of_samples.at_least(-of_samples.expm1(top), _LEAST_REST)
    log_odds = of_samples.at_most(top - of_samples.log(rest), _LARGEST_LOG_ODDS)
    return of_samples.exp(emphasis * log_odds)


def moved_on(
    numbers: SensorNumbers[Any],
    state: Values,
    sums: Values,
    of_training: Operations = TENSORS,
    of_classes: Operations = TENSORS,
) -> dict[str, Any]:
    """The statistics after a batch; unchanged by one without samples.

    Args:
        numbers: of the sensor.
        state: before the batch.
        sums: over its samples, by :func:`batch_sums`.
        of_training: operations on statistics of the whole training.
        of_classes: operations on those of each class.
    """
    at, number = of_training, sums["number"]
    state = at.alike(state, number)
    of_sample = at.where(number > 0, 1 / at.at_least(number, 1), 0.0)
    n_samples = at.where(is_known(state), state["n_samples"], _PLACEHOLDER)
    passed = number / n_samples
    share, fast, balance = (
        of_classes.beside(value)
        for value in (of_sample, -at.expm1(-passed / numbers.fast), -at.expm1(-passed / BALANCE_WINDOW))
    )
    confident, contradicted = (
        _nearer(state[name], sums[name] * share, fast) for name in ("confident", "contradicted")
    )
    predicted, labelled = (
        _nearer(state[name], sums[name] * share, balance) for name in ("predicted", "labelled")
    )
    now = class_shares(confident, contradicted, of_classes)
    # Where labels are doubted already, confident predictions are contradicted more often: that is no plateau.
    is_doubted = state["memorised"] > DOUBTED
    shares = _nearer(state["shares"], now, of_classes.where(of_classes.beside(is_doubted), 0.0, fast))
    weight = -at.expm1(-passed / _AGREEMENT_WINDOW)
    agreement = _nearer(state["agreement"], sums["given"] * of_sample, weight)
    after = {**state, **recalled(state, sums, n_samples, at)}
    epochs = after["completed"] + after["into"] / n_samples
    reading = mean_share(now, confident, at, of_classes)
    # At first the mean of all, later an exponential one.
    fresh = at.at_least(-at.expm1(-passed / numbers.slow), passed / at.at_least(epochs, TINY))
    slow = _nearer(state["slow"], reading, at.at_most(fresh, 1.0))
    chance = 1 - 1 / confident.shape[-1]
    known = limited(at, (chance - reading) / (_KNOWN * chance))
    decline = at.at_least(slow - reading, 0.0) / at.at_least(numbers.tolerance * slow, 1e-12)
    stays = at.where(epochs > _WARM_UP, at.at_least(1 - decline, 0.0), 0.0)
    found = at.where(is_doubted, 0.0, known * stays * slow)
    plateau = at.at_least(found, state["plateau"])
    sure = after["recall"] - _ERRORS * recall_error(after["last_mean"], n_samples, after["recalls"], at)
    memorising = limited(at, (sure - numbers.onset) / numbers.depth)
    memorising = at.where(after["recalls"] < _FIRST_RECALLS, 0.0, memorising)
    of_wrong = at.at_least(memorising * evidence(numbers, plateau, n_samples, at), state["memorised"])
    beyond = excess(state["excess"], reading, after, at.where(is_doubted, 0.0, passed), n_samples, at)
    at_once = _certain(at, evidence_of_few(beyond, n_samples, at))
    plateau = at.at_least(plateau, at.where(is_doubted, 0.0, at_once * reading))
    of_wrong = _certain(at, at.at_least(of_wrong, at_once))
    return {
        **after,
        "agreement": agreement,
        "slow": slow,
        "plateau": plateau,
        "excess": beyond,
        # Wrong labels are memorised only as far as labels are.
        "by_heart": at.at_least(at.at_least(memorising, of_wrong), state["by_heart"]),
        "memorised": of_wrong,
        "confident": confident,
        "contradicted": contradicted,
        "shares": shares,
        "predicted": predicted,
        "labelled": labelled,
    }


def recalled(state: Values, sums: Values, n_samples: Any, of_training: Operations = TENSORS) -> Values:
    """The statistics that the recall is made of, after a batch.

    A batch is at the place of its middle. Where that is in the next epoch, the one before it is over: the
    slope of right predictions over it is set against the trend.
    """
    at, number = of_training, sums["number"]
    middle = state["into"] + number / 2
    passed_epochs = at.where(number > 0, at.floor(middle / n_samples), 0.0)
    is_over = passed_epochs > 0
    total = at.at_least(state["epoch_number"], 1)
    mean, centre = state["epoch_right"] / total, state["epoch_place"] / total
    spread = state["epoch_spread"] / total - centre * centre
    # Of an epoch in one batch there is no slope, nor of one in two of very different size.
    is_slope = spread > _LEAST_SPREAD
    moment = state["epoch_moment"] / total - mean * centre
    slope = at.where(is_slope, moment / at.at_least(spread, _LEAST_SPREAD), 0.0)
    mean = mean - slope * centre  # in the middle of the epoch
    fall = (mean - state["last_mean"]) - (slope + state["last_slope"]) / 2
    counts = is_over & is_slope & (state["last_known"] > 0)
    recalls = state["recalls"] + counts
    share = at.at_least(1 / at.at_least(recalls, 1), _RECALL_SHARE)
    recall = state["recall"] + at.where(counts, share * (fall - state["recall"]), 0.0)
    passed_over = passed_epochs * n_samples
    place = (middle - passed_over) / n_samples - 0.5
    begun = {
        name: at.where(is_over, 0.0, state[name])
        for name in ("epoch_number", "epoch_right", "epoch_moment", "epoch_place", "epoch_spread")
    }
    return {
        "completed": state["completed"] + passed_epochs,
        "into": state["into"] + number - passed_over,
        "epoch_number": begun["epoch_number"] + number,
        "epoch_right": begun["epoch_right"] + sums["right"],
        "epoch_moment": begun["epoch_moment"] + sums["right"] * place,
        "epoch_place": begun["epoch_place"] + number * place,
        "epoch_spread": begun["epoch_spread"] + number * place * place,
        "last_mean": at.where(is_over, mean, state["last_mean"]),
        "last_slope": at.where(is_over, slope, state["last_slope"]),
        "last_known": at.where(is_over, at.where(is_slope, 1.0, 0.0), state["last_known"]),
        "recalls": recalls,
        "recall": recall,
    }


def recall_error(right: Any, n_samples: Any, recalls: Any, of_training: Operations = TENSORS) -> Any:
    r"""The standard error of a mean recall by chance alone.

    The slope of right predictions over an epoch of n samples has the variance :math:`12 p (1 - p) / n`, the
    recall of one epoch :math:`8 p (1 - p) / n`. The mean of r is that of the last four or so in the end.

    Args:
        right: the share of right predictions p.
        n_samples: the size of the training set n.
        recalls: their number r.
        of_training: operations on statistics of the whole training.
    """
    at, p = of_training, limited(of_training, right)
    averaged = at.at_least(1 / at.at_least(recalls, 1), _RECALL_SHARE / (2 - _RECALL_SHARE))
    return (8 * p * (1 - p) / n_samples * averaged) ** 0.5


def contradiction(state: Values, of_training: Operations = TENSORS, of_classes: Operations = TENSORS) -> Any:
    """The reading c, from 0 to 1: mean over the classes that were predicted, 0 where none was."""
    now = class_shares(state["confident"], state["contradicted"], of_classes)
    return mean_share(now, state["confident"], of_training, of_classes)


def class_shares(confident: Any, contradicted: Any, of_classes: Operations) -> Any:
    """The share that is contradicted of what is predicted of each class, 0 where that is nothing."""
    return contradicted / of_classes.where(confident > 0, confident, 1.0)


def mean_share(shares: Any, confident: Any, of_training: Operations, of_classes: Operations) -> Any:
    """The mean over the classes that were predicted."""
    return of_classes.total(shares) / of_training.at_least(of_classes.count(confident > 0), 1)


def evidence(
    numbers: SensorNumbers[Any], plateau: Any, n_samples: Any, of_training: Operations = TENSORS
) -> Any:
    """The evidence for wrong labels, from 0 to 1.

    Args:
        numbers: of the sensor.
        plateau: the highest one.
        n_samples: the size of the training set: of a small one c is rougher, and its plateaus are higher.
        of_training: operations on statistics of the whole training.
    """
    at = of_training
    times_fewer = at.at_most(at.at_least(_SMOOTH / n_samples, 1.0), _ROUGHEST)
    return limited(at, (plateau / times_fewer**_ROUGHNESS_POWER - numbers.clean) / numbers.span)


def _nearer(old: Any, new: Any, weight: Any) -> Any:
    """The mean of both with a weight for the new one."""
    return old + weight * (new - old)


def _certain(at: Operations, sign: Any) -> Any:
    """A sign of wrong labels, certain where it is rather there than not: nothing more is found then."""
    return at.where(sign > DOUBTED, 1.0, sign)
