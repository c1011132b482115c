"""Terms of sensing networks: a call of a loss in use on a CPU, its statistics in NumPy.

See :mod:`evoloss.networks.kinds.sensing` for the formula and :mod:`evoloss.networks.sensing.sensor` for the
statistics. What they move on by is worked out once a call, and is the same as in the general way up to
rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoloss.networks.sensing.operations import ARRAYS, FLOATS
from evoloss.networks.sensing.response import Response, response
from evoloss.networks.sensing.sensor import SensorNumbers, moved_on, sample_weights
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

_LEAST_POWER = float(np.exp(LOG_P_FLOOR))
NO_DOUBT = Response(0.0, 0.0, 1.0)
"""Cross-entropy."""


@dataclass
class SensingTerms(RowTerms):
    """One loss at one class count, as plain numbers; and what a call of it needs.

    Attributes:
        numbers: of the sensor.
        n_classes: the class count.
        state: of a call, the statistics before it.
        store: of a call of the training, where those after it go.
        doubted: of a call, what it costs by.
    """

    numbers: SensorNumbers[float]
    n_classes: int
    state: StateArrays | None = None
    store: StoreState | None = None
    doubted: Response[float] = NO_DOUBT
    has_state = True

    @property
    def held(self) -> Context:  # type: ignore[override]
        """The response of a call, ``(3,)``."""
        return torch.tensor(self.doubted, dtype=torch.float64)

    def of_call(self, state: StateArrays, store: StoreState | None) -> SensingTerms:
        """The same for one call."""
        return SensingTerms(self.numbers, self.n_classes, state, store)

    def few(self, rows: FewRows) -> FewCosts:
        """Costs and slopes of a small batch; see :class:`RowTerms`."""
        top: Array = np.maximum.reduce(rows.log_probs, 0)
        self._take_in(top, rows.log_probs.argmax(0), rows.log_p, rows.label)
        return _cost_and_slope(rows.log_p, top, self.doubted)

    def state_context(
        self, log_probs: Tensor, log_p: Tensor, label: Tensor, counted: Tensor | None
    ) -> Tensor:
        """Take a batch in, if the call is one of the training, and give ``log p`` of the predictions."""
        # One pass, and a tenth of the time of PyTorch's. Where there is NaN it is that.
        predicted = log_probs.numpy().argmax(1)
        largest = log_probs.gather(1, torch.from_numpy(predicted)[:, None]).squeeze(1)
        top = largest.numpy()
        rows = np.isfinite(top)
        if counted is not None:
            rows &= counted.numpy()
        values = top, predicted, log_p.numpy(), label.numpy()
        self._take_in(*(values if rows.all() else (value[rows] for value in values)))
        return largest

    def cost_and_slope(self, log_p: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """Costs and their slopes by ``log_p``, of its shape; the context is the predicted classes'."""
        assert context is not None  # state_context gave both
        cost, slope = _cost_and_slope(log_p.numpy(), context.numpy(), self.doubted)
        return torch.from_numpy(cost), torch.from_numpy(slope)

    def _take_in(
        self, top: Array, predicted: NDArray[np.int64], log_p: Array, label: NDArray[np.int64]
    ) -> None:
        """Find the response of a call, after its samples, ``(N,)`` each, are taken in if that is due."""
        assert self.state is not None  # of_call gave it
        numbers, classes = self.numbers, ("confident", "contradicted")
        state = {name: value if name in classes else value.item() for name, value in self.state.items()}
        if self.store is not None:
            weights, right = sample_weights(numbers.emphasis, top, ARRAYS), predicted == label
            sums = {
                "number": len(top),
                "given": float(np.add.reduce(np.exp(log_p))),
                "right": int(np.count_nonzero(right)),
                "confident": np.bincount(predicted, weights, self.n_classes),
                "contradicted": np.bincount(predicted, weights * ~right, self.n_classes),
            }
            state = moved_on(numbers, state, sums, FLOATS, ARRAYS)
            self.store(state)
        self.doubted = response(numbers, state, self.n_classes, FLOATS)


def _cost_and_slope(log_p: Array, top: Array, doubted: Response[float]) -> tuple[Array, Array]:
    """Costs of labels and their slopes by ``log_p``; parts without weight are not worked out."""
    doubt, odds, exponent = doubted
    cost, slope = np.negative(log_p), np.full_like(log_p, -1.0)
    if odds > 0 and doubt < 1:
        p = np.exp(log_p)
        sums = p + odds
        np.subtract(math.log1p(odds), np.log(sums), out=cost)
        np.divide(p, sums, out=slope)
        np.negative(slope, out=slope)
    if doubt > 0:
        with np.errstate(invalid="ignore"):  # of rows without a prediction
            argument = (log_p - top) * exponent
            inside = np.maximum(argument, LOG_P_FLOOR)
            power = np.expm1(inside)
            rival = (np.subtract(inside, argument, out=argument) * _LEAST_POWER - power) / exponent - top
            rival -= cost
        cost += np.multiply(rival, doubt, out=rival)
        power += 1 + slope
        slope -= np.multiply(power, doubt, out=power)
    return cost, slope
