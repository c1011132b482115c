"""Sensing losses without one of their parts: what each part is good for.

``python -m benchmarks.sensing.run`` takes their names beside those of losses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from evoloss.networks.kinds.sensing import SensingNetwork, response_of_rows
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.response import common_cost, label_cost
from evoloss.networks.states import BatchSums, RunningState
from evoloss.networks.terms import Context

_LOWEST = -12.0  # parameter of the least number of a range


@dataclass(frozen=True, kw_only=True)
class FrozenNetwork(SensingNetwork):
    """A sensing network some of whose statistics are held where they are."""

    held: ClassVar[Mapping[str, float]] = {}

    def take_in(self, params: Tensor, state: RunningState, sums: BatchSums) -> RunningState:
        """The statistics after a batch, those that are held as they are."""
        after = dict(super().take_in(params, state, sums))
        return after | {name: torch.full_like(after[name], value) for name, value in self.held.items()}

    def terms(self, params: Tensor, n_classes: int) -> None:  # type: ignore[override]
        """None: the fast way knows nothing of this."""
        return


@dataclass(frozen=True, kw_only=True)
class NeverMemorised(FrozenNetwork):
    """Labels count as being learned from beginning to end: the sensor is off."""

    held: ClassVar[Mapping[str, float]] = {"by_heart": 0.0, "memorised": 0.0}


@dataclass(frozen=True, kw_only=True)
class AlwaysMemorised(FrozenNetwork):
    """Labels are doubted from the first batch on."""

    held: ClassVar[Mapping[str, float]] = {"by_heart": 1.0, "memorised": 1.0, "plateau": 1.0}


@dataclass(frozen=True, kw_only=True)
class WithoutRival(FrozenNetwork):
    """Labels are doubted by their own probability instead of its ratio to the predicted class."""

    def class_costs(
        self, params: Tensor, log_probs: Tensor, form: Any = None, context: Context = None
    ) -> Tensor:
        """Costs by exponents of the predicted classes, against a rival that is certain."""
        return _without_rival(params, log_probs, log_probs, context, None)

    def label_costs(
        self, params: Tensor, log_probs: Tensor, target: Tensor, form: Any = None, context: Context = None
    ) -> Tensor:
        """The same of labels ``(N,)``."""
        log_p = log_probs.gather(1, target[:, None])
        return _without_rival(params, log_p, log_probs, context, target).squeeze(1)


def _without_rival(
    params: Tensor, log_p: Tensor, log_probs: Tensor, context: Context, target: Tensor | None
) -> Tensor:
    numbers = SensorNumbers.of(params)
    assert context is not None  # there is a state
    _, made = response_of_rows(params, log_probs, context, target)
    certain = torch.zeros_like(log_p)
    cost = label_cost(log_p, certain, made, numbers.poly, log_probs.shape[1])
    total: Tensor = cost + common_cost(log_probs, made.learning, numbers.smoothing)
    return total


def _with(**numbers: float) -> Callable[[Tensor], Tensor]:
    """Changes parameters by name."""

    def changed(params: Tensor) -> Tensor:
        after = params.clone()
        for name, value in numbers.items():
            after[SensorNumbers._fields.index(name)] = value
        return after

    return changed


ABLATIONS: dict[str, tuple[SensingNetwork, Callable[[Tensor], Tensor]]] = {
    "sensing": (SensingNetwork(), _with()),
    "sensor-off": (NeverMemorised(), _with()),
    "doubt-from-the-start": (AlwaysMemorised(), _with()),
    "without-rival": (WithoutRival(), _with()),
    "classes-alike": (SensingNetwork(), _with(spared=_LOWEST, spared_span=_LOWEST)),
    "cross-entropy-first": (SensingNetwork(), _with(poly=_LOWEST, smoothing=_LOWEST)),
}
"""By name the network, and how parameters are changed: ``sensing`` as it is; the sensor off; doubt from the
first batch on; doubt without the predicted class; doubt in all classes alike; cross-entropy in the place of
Poly-1 with smoothing while labels are learned."""
