"""Statistics of students' trainings: what every candidate of a population senses on every task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evoloss.formulas import POPULATIONS, TENSORS
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.networks.sensing.response import Response, largest_pull, pull, response
from evoloss.networks.sensing.sensor import OF_CLASSES, batch_sums, initial_state, moved_on
from evoloss.networks.sensing.surprise import surprise
from evoloss.networks.states import BatchSums, SlopeArgument

_LEAST_PULL = 1e-30  # of which the logarithm is taken


@dataclass(frozen=True)
class SensingStates:
    """The states of a population: the numbers of its sensors, ``(popsize, n_params)``."""

    numbers: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> SensingStates:
        """The same with the numbers changed."""
        return SensingStates(change(self.numbers))

    def begin(self, n_tasks: int, n_samples: int) -> SensingTraining:
        """The statistics of trainings that have not begun."""
        # Zeros stand for candidates without a state, of which nothing is used: any numbers will do.
        numbers = self.numbers.clamp(min=1e-6)
        return SensingTraining(SensorNumbers(*numbers.unbind(dim=1)), n_samples)


class SensingTraining:
    """Trainings in progress.

    Args:
        numbers: of each candidate, ``(popsize,)`` each.
        n_samples: the size of a training set.
    """

    def __init__(self, numbers: SensorNumbers[Tensor], n_samples: int) -> None:
        self.numbers, self.n_samples = numbers, n_samples
        self.state: dict[str, Any] = {}
        self._is_top: Tensor | None = None
        self._arrays: SensorNumbers[Any] = SensorNumbers(*(value.cpu().numpy() for value in numbers))

    def take_in(self, log_probs: Tensor, is_label: Tensor) -> SlopeArgument:
        """Take in a batch, ``(tasks, popsize, C, batch)``; then say where its samples look up their slopes.

        The argument of a label is log w less that of the largest w; see
        :meth:`.kinds.sensing.SensingNetwork.slopes`.
        """
        top = log_probs.amax(dim=2, keepdim=True)
        # What passes over (tasks, popsize, C, batch) again: this, its sum and its product. Classes of equal,
        # largest probability share a prediction.
        is_top = self._predictions(log_probs, top)
        share = is_top.sum(dim=2).reciprocal_()
        # Labels are found once for all candidates of a task.
        label = is_label.byte().argmax(dim=2, keepdim=True).expand_as(top)
        log_p = log_probs.gather(2, label).squeeze(2)
        right = torch.where(log_p == top.squeeze(2), share, 0.0)
        given = log_p.exp()
        sums = batch_sums(
            self.numbers.emphasis[:, None],
            top.squeeze(2),
            1 - right,
            surprise(top.squeeze(2), given, log_probs.shape[2]),
            given,
            None,
            is_label.sum(dim=3).to(log_p.dtype),
            lambda values: values.mul_(share[:, :, None]) @ is_top.mT,
        )
        n_classes, poly = log_probs.shape[2], self.numbers.poly[:, None]
        learning, doubt, of_classes = self._move_on(sums, log_probs.shape[3])
        exponent = (of_classes[:, :, None] @ is_top).squeeze(2).mul_(share)
        made = Response(learning[..., None], doubt.gather(2, label.squeeze(2)), exponent)
        factor = pull(log_p, top.squeeze(2), made, poly, n_classes) / largest_pull(poly, n_classes)
        smoothing = (learning * self.numbers.smoothing)[:, :, None, None]
        return SlopeArgument(None, (log_p - factor.clamp_(_LEAST_PULL, 1).log_())[:, :, None], smoothing)

    def _predictions(self, log_probs: Tensor, top: Tensor) -> Tensor:
        """1 for classes of the largest probability, 0 for others; in memory that is used again."""
        if torch.compiler.is_compiling():
            return (log_probs == top).to(log_probs.dtype)
        if self._is_top is None or self._is_top.shape != log_probs.shape:
            self._is_top = torch.empty_like(log_probs, memory_format=torch.contiguous_format)
        return torch.eq(log_probs, top, out=self._is_top)

    def _move_on(self, sums: BatchSums, n_samples: int) -> Response[Tensor]:
        """Move the statistics on and give what follows, ``(tasks, popsize)``, and ``(..., C)`` twice.

        On a CPU in NumPy, where as many operations on a few hundred numbers take a tenth of the time.
        """
        given, n_classes = sums["given"], sums["confident"].shape[-1]
        numbers: SensorNumbers[Any] = self.numbers
        values: dict[str, Any] = dict(sums)
        in_numpy = given.is_cpu and not torch.compiler.is_compiling()
        if in_numpy:
            numbers = self._arrays
            values = {name: value.numpy() for name, value in values.items()}
            # The same for all, and so is what follows from it alone.
            values["number"] = float(n_samples)
        if not self.state:
            zero = 0.0 if in_numpy else torch.zeros_like(given)
            self.state = {name: zero for name in initial_state(n_classes)}
            self.state |= {name: values["confident"] * 0 for name in OF_CLASSES}
            self.state |= {name: values["given"] * 0 for name in ("plateau", "by_heart", "memorised")}
            self.state |= {"n_samples": zero + self.n_samples}
        on = POPULATIONS if in_numpy else TENSORS
        self.state = moved_on(numbers, self.state, values, on, on)
        made = response(numbers, self.state, n_classes, on, on)
        if not in_numpy:
            return made
        return Response(*(torch.from_numpy(value).to(given.dtype) for value in made))
