"""Terms of sensing networks: a call of a loss in use on a CPU, its statistics in NumPy.

See :mod:`evoloss.networks.kinds.sensing` for the formula and :mod:`evoloss.networks.sensing.sensor` for the
statistics. What they move on by is worked out once a call, and is the same as in the general way up to
rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoloss.formulas import ARRAYS, FLOATS
from evoloss.networks.sensing.course import (
    ARRAYS_OF_COURSE,
    course_moved_on,
    course_sums_of_arrays,
    row_step,
)
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.response import CROSS_ENTROPY, Response, poly_scale, response
from evoloss.networks.sensing.sensor import OF_CLASSES, is_known, moved_on, sample_weights
from evoloss.networks.sensing.surprise import surprise
from evoloss.networks.terms import (
    LOG_P_FLOOR,
    Array,
    Context,
    FewCosts,
    FewRows,
    RowTerms,
    StateArrays,
    StoreState,
)

# Of samples the log-probability of the prediction, the prediction, the least likely class and the label.
_Read = tuple[Array, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
_LEAST_POWER = float(np.exp(LOG_P_FLOOR))
_LOG_2 = np.log(2, dtype=np.float32)
_ARRAYS = frozenset((*OF_CLASSES, *ARRAYS_OF_COURSE))


@dataclass
class SensingTerms(RowTerms):
    """One loss at one class count, as plain numbers; and what a call of it needs.

    Attributes:
        numbers: of the sensor.
        n_classes: the class count.
        state: of a call, the statistics before it.
        store: of a call of the training, where those after it go.
        made: of a call, what it costs by; exponents of each class where labels are doubted.
        predicted: of a call, the predicted classes.
        label: of a call, the labels.
    """

    numbers: SensorNumbers[float]
    n_classes: int
    state: StateArrays | None = None
    store: StoreState | None = None
    made: Response[Any] = CROSS_ENTROPY
    predicted: NDArray[np.int64] | None = None
    label: NDArray[np.int64] | None = None
    has_state = True

    @property
    def held(self) -> Context:  # type: ignore[override]
        """The response of a call, ``(3, C)``."""
        rows = [np.broadcast_to(np.float64(value), self.n_classes) for value in self.made]
        return torch.from_numpy(np.stack(rows))

    def of_call(self, state: StateArrays, store: StoreState | None) -> SensingTerms:
        """The same for one call."""
        return SensingTerms(self.numbers, self.n_classes, state, store)

    def few(self, rows: FewRows) -> FewCosts:
        """Costs and slopes of a small batch; see :class:`RowTerms`."""
        top: Array = np.maximum.reduce(rows.log_probs, 0)
        self.predicted = predicted = rows.log_probs.argmax(0)
        self.label = rows.label
        read = _read(top, predicted, rows.label, lambda some: rows.log_probs[:, some].argmin(0))
        self._take_in(top, predicted, rows.log_p, rows.label, read)
        cost, slope = self._cost_and_slope(rows.log_p, top)
        if not self.smoothing > 0:
            return cost, slope
        return _smoothed(rows, cost, slope, self.smoothing)

    @property
    def smoothing(self) -> float:  # type: ignore[override]
        """The weight of the mean of -log p over all classes, beside what a label costs."""
        return float(self.made.learning * self.numbers.smoothing)

    def state_context(
        self, log_probs: Tensor, log_p: Tensor, label: Tensor, counted: Tensor | None
    ) -> Tensor:
        """Take a batch in, if the call is one of the training, and give ``log p`` of the predictions."""
        # One pass, and a tenth of the time of PyTorch's. Where there is NaN it is that.
        of_classes = log_probs.numpy()
        self.predicted = predicted = of_classes.argmax(1)
        self.label = label.numpy()
        largest = log_probs.gather(1, torch.from_numpy(predicted)[:, None]).squeeze(1)
        top = largest.numpy()
        rows = np.isfinite(top)
        if counted is not None:
            rows &= counted.numpy()
        values = top, predicted, log_p.numpy(), self.label
        read = _read(top, predicted, values[3], lambda some: of_classes[some].argmin(1))
        if not rows.all():
            values = tuple(value[rows] for value in values)
            some = rows[:: row_step(len(rows))]
            read = tuple(value[some] for value in read)
        self._take_in(*values, read)
        return largest

    def cost_and_slope(self, log_p: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """Costs and their slopes by ``log_p``, of its shape; the context is the predicted classes'."""
        assert context is not None  # state_context gave both
        cost, slope = self._cost_and_slope(log_p.numpy(), context.numpy())
        return torch.from_numpy(cost), torch.from_numpy(slope)

    def _take_in(
        self,
        top: Array,
        predicted: NDArray[np.int64],
        log_p: Array,
        label: NDArray[np.int64],
        read: _Read,
    ) -> None:
        """Find the response of a call, after its samples, ``(N,)`` each, are taken in if that is due."""
        assert self.state is not None  # of_call gave it
        numbers = self.numbers
        state = {name: value if name in _ARRAYS else value.item() for name, value in self.state.items()}
        if self.store is not None:
            weights, right = sample_weights(numbers.emphasis, top, ARRAYS), predicted == label
            given = np.exp(log_p)
            surprising = surprise(top, given, self.n_classes, ARRAYS)
            sums = {
                "number": len(top),
                "given": float(np.add.reduce(given)),
                "right": int(np.count_nonzero(right)),
                "confident": np.bincount(predicted, weights, self.n_classes),
                "contradicted": np.bincount(predicted, weights * surprising * ~right, self.n_classes),
                "predicted": np.bincount(predicted, minlength=self.n_classes),
                "labelled": np.bincount(label, minlength=self.n_classes),
            }
            sums |= course_sums_of_arrays(*read, self.n_classes, ARRAYS)
            after = moved_on(numbers, state, sums, FLOATS, ARRAYS)
            state = after | course_moved_on(state, after, sums, FLOATS, ARRAYS)
            self.store(state)
        if state["memorised"] > 0 or not is_known(state):
            self.made = response(numbers, state, self.n_classes, FLOATS, ARRAYS)
        else:  # most of most trainings: no exponent counts
            self.made = Response(1 - state["by_heart"], 0.0, 1.0)

    def _cost_and_slope(self, log_p: Array, top: Array) -> tuple[Array, Array]:
        """Costs of labels and their slopes by ``log_p``; parts without weight are not worked out."""
        learning, doubt, exponent = self.made
        learned = learning * poly_scale(self.numbers.poly, self.n_classes)
        is_doubted = isinstance(doubt, np.ndarray)
        if is_doubted:
            assert self.predicted is not None
            assert self.label is not None  # with the doubt
            doubt = doubt.astype(log_p.dtype)[self.label]
            share = learned + np.maximum(1 - learning - doubt, 0)
            # Impossible labels cost infinitely much, of which no share is nothing.
            with np.errstate(invalid="ignore"):
                cost = np.where(share > 0, log_p * -share, np.float32(0))
            slope = -share
        else:
            share = learned + max(0.0, 1 - learning)
            cost = np.multiply(log_p, -share)
            slope = np.full_like(log_p, -share)
        if learned > 0:
            p = np.exp(log_p)
            p *= learned * self.numbers.poly
            slope -= p
            cost -= p
            cost += learned * self.numbers.poly
        if is_doubted:
            exponents = exponent.astype(log_p.dtype)[self.predicted]
            with np.errstate(invalid="ignore"):  # of rows without a prediction
                argument = (log_p - top) * exponents
                inside = np.maximum(argument, LOG_P_FLOOR)
                power = np.expm1(inside)
                rival = (np.subtract(inside, argument, out=argument) * _LEAST_POWER - power) / exponents
                rival -= np.logaddexp(log_p, top) - _LOG_2
            cost += np.multiply(rival, doubt, out=rival)
            power += 1
            slope -= np.multiply(power, doubt, out=power)
        return cost, slope


def _smoothed(rows: FewRows, cost: Array, slope: Array, smoothing: float) -> FewCosts:
    """Costs and slopes with the mean of -log p over all classes beside, classes below the floor as there."""
    share = np.float32(smoothing / len(rows.log_probs))
    cost -= share * np.add.reduce(np.maximum(rows.log_probs, LOG_P_FLOOR), 0)
    slopes = np.where(rows.log_probs < LOG_P_FLOOR, np.float32(0), -share)
    # Places of the labels in rows that are read one after the other.
    slopes.reshape(-1)[rows.at_label] += slope
    return cost, slopes


def _read(
    top: Array,
    predicted: NDArray[np.int64],
    label: NDArray[np.int64],
    lowest_of: Callable[[slice], NDArray[np.int64]],
) -> _Read:
    """The values of the samples of a call that a course reads."""
    some = slice(None, None, row_step(len(top)))
    return top[some], predicted[some], lowest_of(some), label[some]
