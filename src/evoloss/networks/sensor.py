r"""Sensing wrong labels from within a training: running statistics, and readings of them.

The samples that a classifier is most certain about tell most: where labels are right, they are hardly ever
contradicted. Of the samples with predicted class k, weighted by :math:`\min(p / (1 - p), 100)^e` with p the
largest probability, :math:`c_k` is the share that their labels contradict, over about the last ``fast``
epochs, and c its mean over the classes: asymmetric noise leaves most classes alone.

While a classifier learns, c falls. Where labels are wrong it stops above 0, on a *plateau*: it stays near its
mean over the last ``slow`` epochs. The highest plateau so far is remembered. When wrong labels are memorised
c falls below it; how far is remembered too, since the statistics look better the more is memorised.

All is counted in samples and epochs: a batch of 8 and one of 512 give the same reading after the same data,
up to what a reading changes within a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from evoloss.networks.states import BatchSums, RunningState
from evoloss.networks.tempering import certainty_of

_LARGEST_LOG_ODDS = math.log(100.0)
_AGREEMENT_WINDOW = 0.1  # epochs
_WARM_UP = 1.0  # epochs in which nothing is called a plateau
_KNOWN = 0.2  # how far below chance c has to be, as a share of it, to be a reading
_PLACEHOLDER = 20_000.0  # samples of an epoch, as long as their number is not known


class SensorNumbers(NamedTuple):
    """The numbers of a sensor and of what follows from it, of any one shape.

    Attributes:
        strength: the exponent where everything speaks for it.
        least: share of it that is there without any sign of memorising.
        agreement_power: how the exponent follows the agreement of predictions and labels.
        fast: window of c, in epochs.
        slow: window of the mean that c is compared with, in epochs.
        tolerance: how far below that mean c may be on a plateau, as a share of it.
        clean: plateaus below this are those of hard samples with right labels.
        span: how far above ``clean`` the evidence for wrong labels is whole.
        onset: c below this share of the plateau is a sign of memorising.
        depth: how far below, as a share of the plateau, the sign is whole.
        emphasis: exponent of the odds that weight the samples.
    """

    strength: Tensor
    least: Tensor
    agreement_power: Tensor
    fast: Tensor
    slow: Tensor
    tolerance: Tensor
    clean: Tensor
    span: Tensor
    onset: Tensor
    depth: Tensor
    emphasis: Tensor

    @classmethod
    def of(cls, params: Tensor) -> SensorNumbers:
        """The numbers of parameters ``(..., n)``: within their ranges on a logarithmic scale."""
        low, high = (
            params.new_tensor([math.log(values[end]) for values in _RANGES.values()]) for end in (0, 1)
        )
        return cls(*torch.lerp(low, high, params.clamp(-12, 12).sigmoid()).exp().unbind(dim=-1))

    @classmethod
    def set_by_hand(cls) -> Tensor:
        """The parameters of a sensor whose numbers were set by hand, float32 ``(n,)``."""
        shares = [math.log(value / low) / math.log(high / low) for low, high, value in _RANGES.values()]
        return torch.tensor(shares, dtype=torch.float32).logit()


# The least, the largest, and the value that was set by hand.
_RANGES: dict[str, tuple[float, float, float]] = {
    "strength": (0.5, 16.0, 4.0),
    "least": (1e-3, 0.9, 2e-3),
    "agreement_power": (0.1, 3.0, 0.74),
    "fast": (0.1, 2.0, 0.4),
    "slow": (0.3, 6.0, 1.2),
    "tolerance": (0.02, 0.6, 0.15),
    "clean": (0.01, 0.3, 0.07),
    "span": (0.02, 0.5, 0.1),
    "onset": (0.3, 0.99, 0.9),
    "depth": (0.05, 0.9, 0.4),
    "emphasis": (0.5, 4.0, 2.0),
}


def initial_state(n_classes: int) -> RunningState:
    """The statistics of a training that has not begun, float32.

    ``n_samples`` is the size of the training set, 0 where it is not known; ``epochs`` how much of it was
    seen; ``confident`` and ``contradicted`` the weights of samples by predicted class, and of those that
    their labels contradict; ``agreement`` the probability that labels are given; ``slow`` the mean that c is
    compared with; ``plateau`` the highest plateau; ``memorised`` the strongest sign of memorising.
    """
    scalars = ("n_samples", "epochs", "agreement", "slow", "plateau", "memorised")
    state = {name: torch.zeros((), dtype=torch.float32) for name in scalars}
    of_classes = ("confident", "contradicted")
    return state | {name: torch.zeros(n_classes, dtype=torch.float32) for name in of_classes}


def is_known(state: RunningState) -> Tensor:
    """Test whether the size of the training set is known, bool."""
    return state["n_samples"] > 0


def batch_sums(
    emphasis: Tensor,
    top: Tensor,
    contradicted: Tensor,
    given: Tensor,
    counted: Tensor,
    by_class: Callable[[Tensor], Tensor],
) -> BatchSums:
    """Sums over the samples of a batch, over the last axis of length N.

    Args:
        emphasis: see :class:`SensorNumbers`; broadcasts with the others.
        top: log-probabilities of the predicted classes, ``(..., N)``.
        contradicted: how far the labels are other classes, from 0 to 1, ``(..., N)``.
        given: probabilities that are given to the labels, ``(..., N)``.
        counted: 1 for samples, 0 for rows that are none, ``(..., N)``.
        by_class: adds values of samples up by their predicted class, ``(..., 2, N)`` to ``(..., 2, C)``.
    """
    log_odds = (top - torch.log(-torch.expm1(top))).clamp(max=_LARGEST_LOG_ODDS)
    weight = (emphasis * log_odds).exp() * counted
    both = by_class(torch.stack([weight, weight * contradicted], dim=-2))
    return {
        "number": counted.sum(dim=-1),
        "given": (given * counted).sum(dim=-1),
        "confident": both[..., 0, :],
        "contradicted": both[..., 1, :],
    }


def moved_on(numbers: SensorNumbers, state: RunningState, sums: BatchSums) -> RunningState:
    """The statistics after a batch; unchanged by one without samples."""
    number = sums["number"]
    state = {name: value.to(number.dtype) for name, value in state.items()}
    of_sample = torch.where(number > 0, 1 / number.clamp(min=1), 0.0)
    passed = number / torch.where(is_known(state), state["n_samples"], _PLACEHOLDER)
    keep = (-passed / numbers.fast).exp()
    confident, contradicted = (
        torch.lerp(sums[name] * of_sample[..., None], state[name], keep[..., None])
        for name in ("confident", "contradicted")
    )
    agreement = torch.lerp(sums["given"] * of_sample, state["agreement"], (-passed / _AGREEMENT_WINDOW).exp())
    reading = contradiction({"confident": confident, "contradicted": contradicted})
    epochs = state["epochs"] + passed
    # At first the mean of all, later an exponential one.
    fresh = torch.maximum(
        -torch.expm1(-passed / numbers.slow), passed / epochs.clamp(min=torch.finfo(epochs.dtype).tiny)
    )
    slow = torch.lerp(state["slow"], reading, fresh)
    chance = 1 - 1 / confident.shape[-1]
    known = ((chance - reading) / (_KNOWN * chance)).clamp(0, 1)
    decline = (slow - reading).clamp(min=0) / (numbers.tolerance * slow).clamp(min=1e-12)
    stays = torch.where(epochs > _WARM_UP, (1 - decline).clamp(min=0), 0.0)
    plateau = torch.maximum(state["plateau"], known * stays * slow)
    fallen = numbers.onset - reading / plateau.clamp(min=1e-12)
    sign = torch.where(plateau > 0, (fallen / numbers.depth).clamp(0, 1), 0.0)
    return {
        "n_samples": state["n_samples"],
        "epochs": epochs,
        "agreement": agreement,
        "slow": slow,
        "plateau": plateau,
        "memorised": torch.maximum(state["memorised"], sign * evidence(numbers, plateau)),
        "confident": confident,
        "contradicted": contradicted,
    }


def contradiction(state: RunningState) -> Tensor:
    """The reading c, from 0 to 1: mean over the classes that were predicted, 0 where none was."""
    confident = state["confident"]
    seen = confident > 0
    shares = torch.where(seen, state["contradicted"] / torch.where(seen, confident, 1.0), 0.0)
    return shares.sum(dim=-1) / seen.sum(dim=-1).clamp(min=1)


def evidence(numbers: SensorNumbers, plateau: Tensor) -> Tensor:
    """The evidence for wrong labels, from 0 to 1."""
    return ((plateau - numbers.clean) / numbers.span).clamp(0, 1)


def strength(numbers: SensorNumbers, state: RunningState, n_classes: int) -> Tensor:
    """The exponent with which labels are doubted, at least 0."""
    state = {name: value.to(numbers.strength.dtype) for name, value in state.items()}
    agreed = certainty_of(state["agreement"], n_classes)
    share = numbers.least + (1 - numbers.least) * state["memorised"]
    return numbers.strength * agreed**numbers.agreement_power * evidence(numbers, state["plateau"]) * share
