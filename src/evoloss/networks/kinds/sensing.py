r"""Sensing networks: a loss for labels that are learned, and one for wrong labels that are memorised.

The pull on a label is that of cross-entropy times a factor w (:mod:`evoloss.networks.sensing.response`) that
follows what the loss has sensed of its training (:mod:`evoloss.networks.sensing.sensor`). While labels are
learned it is Poly-1 with label smoothing, once they are memorised cross-entropy, and where wrong labels are
memorised labels are doubted against their strongest rival. What is searched are the numbers of the sensor and
of the response.

The sensor's windows are in epochs, so it has to know the size of the training set. As long as it does not,
the loss is cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from evoloss.formulas import Formula, NumberedFormula
from evoloss.networks.base import LossNetwork
from evoloss.networks.noise_rate import NoiseRate
from evoloss.networks.sensing.course import course_moved_on, initial_course, row_step
from evoloss.networks.sensing.extremes import least_likely, most_likely
from evoloss.networks.sensing.noise_rate import noise_rate
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.population import SensingStates
from evoloss.networks.sensing.response import Response, common_cost, label_cost, largest_pull, response
from evoloss.networks.sensing.samples import (
    lowest_of_labels,
    lowest_of_shares,
    samples_of_labels,
    samples_of_shares,
    sums_of_course,
    sums_of_samples,
)
from evoloss.networks.sensing.sensor import initial_state, is_known, moved_on, sample_weights
from evoloss.networks.sensing.terms import SensingTerms
from evoloss.networks.sensing.training import costs_of_state
from evoloss.networks.slopes import Slopes
from evoloss.networks.states import BatchSums, RunningState
from evoloss.networks.terms import Context, LabelView

_START = Response(1.0, 0.0, 1.0)


class SensingForm(NamedTuple):
    """The canonical form of a population: a factor of 1, ``(popsize, 1)``, since training starts with it."""

    scale: Tensor

    @property
    def exists(self) -> Tensor:
        """Mask of the candidates whose form exists, ``(popsize,)``: those whose parameters are finite."""
        return self.scale.isfinite().squeeze(1)


@dataclass(frozen=True, kw_only=True)
class SensingNetwork(LossNetwork):
    """See the module's docstring; the parameters are logits of numbers within their ranges."""

    kind: ClassVar[str] = "sensing"
    summary: ClassVar[str] = "senses whether wrong labels are memorised, and doubts labels then"
    keeps_state: ClassVar[bool] = True
    follows_dominance_only: ClassVar[bool] = True
    interpolates_slopes: ClassVar[bool] = False  # one exponential
    is_nonnegative: ClassVar[bool] = True  # no part of a cost is below 0

    @property
    def n_params(self) -> int:
        """One for each number of the sensor."""
        return len(SensorNumbers._fields)

    def initial(self, generator: torch.Generator) -> Tensor:
        """A random starting point around the numbers that were set by hand, ``(n_params,)``."""
        return SensorNumbers.set_by_hand() + 0.5 * torch.randn(
            self.n_params, generator=generator, dtype=torch.float32
        )

    def set_by_hand(self) -> Tensor:
        """The numbers that were set by hand as parameters, ``(n_params,)``."""
        return SensorNumbers.set_by_hand()

    def form(self, params: Tensor, n_classes: int) -> SensingForm:
        """The canonical form of candidates ``(popsize, n_params)``."""
        return SensingForm(1 + 0 * params.sum(dim=1, keepdim=True))

    # In the search.

    def losses(self, params: Tensor, log_probs: Tensor, target: Tensor) -> Tensor:
        """Canonical losses ``(popsize, N)`` as where all labels are learned and wrong ones memorised."""
        numbers, n_classes = SensorNumbers.of(params), log_probs.shape[1]
        top, log_p = log_probs.amax(dim=1, keepdim=True), log_probs.gather(1, target[:, None])
        one, zero = log_probs.new_ones(()), log_probs.new_zeros(())
        costs = [
            label_cost(log_p, top, Response(zero, one, exponent), poly, n_classes).squeeze(1)
            for exponent, poly in zip(numbers.strength, numbers.poly, strict=True)
        ]
        return torch.stack(costs)

    def slopes(self, params: Tensor, n_classes: int, *, canonical: bool = True) -> Slopes:
        """The slope of the label, -w, where its argument is log w less the largest; 0 for other classes."""
        largest = largest_pull(SensorNumbers.of(params).poly, n_classes)[:, None]

        def slopes(argument: Tensor) -> Tensor:
            label = -largest * argument.exp()
            return torch.stack([torch.zeros_like(label), label], dim=1)

        return slopes

    def states(self, params: Tensor, n_classes: int) -> SensingStates:
        """The numbers of the candidates' sensors."""
        return SensingStates(torch.stack(list(SensorNumbers.of(params)), dim=1))

    # In use.

    def class_costs(
        self,
        params: Tensor,
        log_probs: Tensor,
        form: SensingForm | None = None,
        context: Context = None,
    ) -> Tensor:
        """Canonical ``L(p, k)``, ``(N, C)``; the context is that of :meth:`context`, or of the start."""
        top, made = response_of_rows(params, log_probs, context, None)
        return _costs(params, log_probs, log_probs, top, made)

    def label_costs(
        self,
        params: Tensor,
        log_probs: Tensor,
        target: Tensor,
        form: SensingForm | None = None,
        context: Context = None,
    ) -> Tensor:
        """Canonical ``L(p, y)`` of labels ``(N,)``."""
        top, made = response_of_rows(params, log_probs, context, target)
        return _costs(params, log_probs.gather(1, target[:, None]), log_probs, top, made).squeeze(1)

    def initial_state(self, n_classes: int) -> RunningState:
        """Zeros: nothing is known, and the size of the training set is not either."""
        return {**initial_state(n_classes), **initial_course(n_classes)}

    def batch_sums(
        self, params: Tensor, state: RunningState, log_probs: Tensor, labels: LabelView
    ) -> BatchSums:
        """Sums over the samples, for the sensor and for the course.

        See :func:`evoloss.networks.sensing.sensor.batch_sums` and
        :func:`evoloss.networks.sensing.course.course_sums`.
        """
        top, predicted = most_likely(log_probs)
        read = slice(None, None, row_step(len(top)))
        lowest = least_likely(log_probs[read])
        if labels.is_dense:
            shares = labels.shares(log_probs)
            samples = samples_of_shares(log_probs, shares, top, predicted)
            is_lowest = lowest_of_shares(lowest, shares, samples.weight)
        else:
            by_label = _by_class(labels.label, log_probs.shape[1])
            samples = samples_of_labels(log_probs, labels.label, labels.counted, top, predicted, by_label)
            is_lowest = lowest_of_labels(lowest, labels.label, samples.weight)
        emphasis = SensorNumbers.of(params).emphasis
        sums = sums_of_samples(samples, emphasis, _by_class(predicted, log_probs.shape[1]))
        odds = _odds_of_read(samples.top, read)
        by_class = _by_class(predicted[read], log_probs.shape[1])
        return {**sums, **sums_of_course(samples, is_lowest, odds, by_class)}

    def take_in(self, params: Tensor, state: RunningState, sums: BatchSums) -> RunningState:
        """The statistics after a batch."""
        after = moved_on(SensorNumbers.of(params), state, sums)
        return {**after, **course_moved_on(state, after, sums)}

    def noise_rate(self, state: RunningState) -> NoiseRate:
        """The share of wrong labels, from the course of the training."""
        if not is_known(state):
            return NoiseRate(reason="the size of the training set is not known: give n_samples")
        rate = noise_rate(state["course"].double().cpu().numpy(), len(state["confident"]))
        if rate.estimate is not None:
            return rate
        return NoiseRate(reason=f"{rate.reason} (n_samples is {int(state['n_samples']):,})")

    def context(
        self, params: Tensor, log_probs: Tensor, labels: LabelView, state: RunningState | None = None
    ) -> Context:
        """The response, ``(3, C)``: learning, doubts of labels, and exponents by predicted class."""
        assert state is not None, "its loss keeps one"
        n_classes = log_probs.shape[1]
        learning, doubt, exponents = response(SensorNumbers.of(params), state, n_classes)
        return torch.stack([learning.expand(n_classes), doubt, exponents])

    def formula(self, params: Tensor, n_classes: int) -> NumberedFormula:
        """The costs at given statistics as a formula with the numbers of the sensor."""
        numbers = {name: float(value) for name, value in SensorNumbers.of(params)._asdict().items()}
        return NumberedFormula(Formula(costs_of_state, "classes", "training"), numbers)

    def terms(self, params: Tensor, n_classes: int) -> SensingTerms:
        """The numbers of the sensor."""
        return SensingTerms(SensorNumbers(*(value.item() for value in SensorNumbers.of(params))), n_classes)


def _odds_of_read(top: Tensor, read: slice) -> Tensor:
    """The odds of the predicted classes of the samples that a course reads."""
    if torch.compiler.is_compiling():
        # Of samples that lie side by side it works out several at a time, and logarithms take longest.
        of_all: Tensor = sample_weights(1.0, top)
        return of_all[read]
    odds: Tensor = sample_weights(1.0, top[read])
    return odds


def _by_class(predicted: Tensor, n_classes: int) -> Callable[[Tensor], Tensor]:
    """Adds values of samples, ``(..., N)``, up by a class of each, such as the predicted one."""

    def add_up(values: Tensor) -> Tensor:
        if values.is_cpu:
            return values.new_zeros(len(values), n_classes).index_add(1, predicted, values)
        # The order in which a GPU adds up at an index is not always the same.
        classes = torch.arange(n_classes, device=values.device)
        return values @ (predicted[:, None] == classes).to(values.dtype)

    return add_up


def _costs(params: Tensor, log_p: Tensor, log_probs: Tensor, top: Tensor, made: Response[Tensor]) -> Tensor:
    """L(p, k) of classes with log-probabilities ``log_p``, ``(N, K)``, of predictions ``(N, C)``."""
    numbers = SensorNumbers.of(params)
    common = common_cost(log_probs, made.learning, numbers.smoothing)
    return label_cost(log_p, top, made, numbers.poly, log_probs.shape[1]) + common


def response_of_rows(
    params: Tensor, log_probs: Tensor, context: Context, target: Tensor | None
) -> tuple[Tensor, Response[Tensor]]:
    """Log-probabilities of predicted classes, ``(N, 1)``, without gradient, and what labels cost by.

    Doubts are those of the labels ``target``, ``(N, 1)``, or of all classes, ``(1, C)``.
    """
    top, predicted = (value[:, None] for value in most_likely(log_probs.detach()))
    if context is None:
        return top, Response(*params.new_tensor(_START))
    learning, doubt, exponents = context.to(params.dtype)
    of_labels = doubt[None] if target is None else doubt[target][:, None]
    return top, Response(learning[0], of_labels, exponents[predicted])
