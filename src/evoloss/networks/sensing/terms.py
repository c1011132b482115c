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
from evoloss.networks.sensing.sensor import SensorNumbers, moved_on, sample_weights, strength
from evoloss.networks.tempering import MIN_EXPONENT
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


@dataclass
class SensingTerms(RowTerms):
    """One loss at one class count, as plain numbers; and what a call of it needs.

    Attributes:
        numbers: of the sensor.
        n_classes: the class count.
        state: of a call, the statistics before it.
        store: of a call of the training, where those after it go.
        exponent: of a call, that which it costs by; NaN before.
    """

    numbers: SensorNumbers[float]
    n_classes: int
    state: StateArrays | None = None
    store: StoreState | None = None
    exponent: float = math.nan
    has_state = True

    @property
    def held(self) -> Context:  # type: ignore[override]
        """The exponent of a call as a scalar."""
        return torch.tensor(self.exponent, dtype=torch.float64)

    def of_call(self, state: StateArrays, store: StoreState | None) -> SensingTerms:
        """The same for one call."""
        return SensingTerms(self.numbers, self.n_classes, state, store)

    def few(self, rows: FewRows) -> FewCosts:
        """Costs and slopes of a small batch; see :class:`RowTerms`."""
        top: Array = np.maximum.reduce(rows.log_probs, 0)
        self._take_in(top, rows.log_probs.argmax(0), rows.log_p, rows.label)
        argument: Array = rows.log_p - top
        argument *= self.exponent
        slope: Array = np.expm1(argument, out=argument)
        cost: Array = slope / -self.exponent
        cost -= top
        slope += 1
        return cost, np.negative(slope, out=slope)

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
        argument = (log_p - context).mul_(self.exponent)
        inside = argument.clamp(min=LOG_P_FLOOR)
        power = inside.expm1()
        below = inside.sub_(argument).mul_(_LEAST_POWER)
        cost = below.sub_(power).div_(self.exponent).sub_(context)
        return cost, power.add_(1).neg_()

    def _take_in(
        self, top: Array, predicted: NDArray[np.int64], log_p: Array, label: NDArray[np.int64]
    ) -> None:
        """Find the exponent of a call, after its samples, ``(N,)`` each, are taken in if that is due."""
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
        self.exponent = max(strength(numbers, state, self.n_classes, FLOATS), MIN_EXPONENT)
