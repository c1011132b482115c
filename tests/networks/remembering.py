r"""A small kind with a state, for tests: a statistic of each class, and labels compared with their rivals.

.. math::

    L(p, k) = \frac{1 - (p_k / \max_j p_j)^{t_k}}{t_k} - \log \max_j p_j, \qquad t_k = s\, m_k,

where :math:`m_k` is the running mean of what samples of class k give to it, over about ``WINDOW`` of them,
and s, from 0 to 1, is searched. No gradient flows through the maximum and t: the pull on a label is that of
cross-entropy times the power of p.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from evoloss.networks import (
    LOG_P_FLOOR,
    BatchSums,
    Context,
    LabelView,
    LossNetwork,
    RunningState,
    SlopeArgument,
    Slopes,
)
from evoloss.networks.tempering import MIN_EXPONENT

WINDOW = 40.0


def moved_on(mean: Tensor, total: Tensor, number: Tensor) -> Tensor:
    """An exponential mean after ``number`` more samples whose sum is ``total``."""
    batch_mean = torch.where(number > 0, total / number, 0.0)
    return torch.lerp(batch_mean, mean, (-number / WINDOW).exp())


@dataclass(frozen=True)
class ClassMeans:
    """The states of a population in the search."""

    strength: Tensor  # (popsize, 1)
    n_classes: int

    def map(self, change: Callable[[Tensor], Tensor]) -> ClassMeans:
        return ClassMeans(change(self.strength), self.n_classes)

    def begin(self, n_tasks: int, n_samples: int) -> RunningClassMeans:
        strength = self.strength[:, :, None]
        return RunningClassMeans(strength, strength.new_zeros(n_tasks, len(strength), self.n_classes, 1))


@dataclass
class RunningClassMeans:
    strength: Tensor
    mean: Tensor  # (tasks, popsize, C, 1)

    def take_in(self, log_probs: Tensor, is_label: Tensor) -> SlopeArgument:
        given = (log_probs.exp() * is_label).sum(dim=3, keepdim=True)
        self.mean = moved_on(self.mean, given, is_label.sum(dim=3, keepdim=True).to(given.dtype))
        of_sample = (self.mean * is_label).sum(dim=2, keepdim=True)
        exponent = (self.strength * of_sample).clamp(min=MIN_EXPONENT)
        return SlopeArgument(exponent, log_probs.amax(dim=2, keepdim=True))


class RememberingForm(NamedTuple):
    strength: Tensor

    @property
    def exists(self) -> Tensor:
        return self.strength.isfinite().squeeze(1)


@dataclass(frozen=True, kw_only=True)
class RememberingNetwork(LossNetwork):
    """See the module's docstring; the one parameter is the logit of s."""

    kind: ClassVar[str] = "remembering"
    summary: ClassVar[str] = "the label's cost depends on how well its class was predicted so far"
    keeps_state: ClassVar[bool] = True
    follows_dominance_only: ClassVar[bool] = True
    interpolates_slopes: ClassVar[bool] = False
    is_nonnegative: ClassVar[bool] = True

    @property
    def n_params(self) -> int:
        return 1

    def initial(self, generator: torch.Generator) -> Tensor:
        return torch.randn(1, generator=generator, dtype=torch.float32)

    def form(self, params: Tensor, n_classes: int) -> RememberingForm:
        return RememberingForm(params.sigmoid())

    def slopes(self, params: Tensor, n_classes: int, *, canonical: bool = True) -> Slopes:
        def slopes(argument: Tensor) -> Tensor:
            label = -argument.exp().expand(len(params), -1)
            return torch.stack([torch.zeros_like(label), label], dim=1)

        return slopes

    def states(self, params: Tensor, n_classes: int) -> ClassMeans:
        return ClassMeans(params.sigmoid(), n_classes)

    def losses(self, params: Tensor, log_probs: Tensor, target: Tensor) -> Tensor:
        """As if every label was given everything so far."""
        return torch.stack([self.label_costs(row, log_probs, target) for row in params])

    def label_costs(
        self,
        params: Tensor,
        log_probs: Tensor,
        target: Tensor,
        form: RememberingForm | None = None,
        context: Context = None,
    ) -> Tensor:
        costs = self.class_costs(params, log_probs, form, None if context is None else context[:, None])
        return costs.gather(1, target[:, None]).squeeze(1)

    def class_costs(
        self,
        params: Tensor,
        log_probs: Tensor,
        form: RememberingForm | None = None,
        context: Context = None,
    ) -> Tensor:
        mean = params.new_ones(()) if context is None else context.to(params.dtype)
        exponent = (params.sigmoid() * mean).clamp(min=MIN_EXPONENT)
        top = log_probs.detach().amax(dim=1, keepdim=True)
        argument = exponent * (log_probs - top)
        inside = torch.where(argument < LOG_P_FLOOR, LOG_P_FLOOR, argument)
        below = torch.where(argument < LOG_P_FLOOR, LOG_P_FLOOR - argument, 0.0)
        return (-torch.expm1(inside) + below * torch.tensor(LOG_P_FLOOR).exp()) / exponent - top

    def initial_state(self, n_classes: int) -> RunningState:
        return {"mean": torch.zeros(n_classes, dtype=torch.float32)}

    def batch_sums(
        self, params: Tensor, state: RunningState, log_probs: Tensor, labels: LabelView
    ) -> BatchSums:
        probs = log_probs.exp()
        finite = probs.isfinite().all(dim=1, keepdim=True)
        shares = torch.where(finite, labels.shares(log_probs), 0.0)
        return {"given": (torch.where(finite, probs, 0.0) * shares).sum(dim=0), "number": shares.sum(dim=0)}

    def take_in(self, params: Tensor, state: RunningState, sums: BatchSums) -> RunningState:
        return {"mean": moved_on(state["mean"].to(params.dtype), sums["given"], sums["number"])}

    def context(
        self, params: Tensor, log_probs: Tensor, labels: LabelView, state: RunningState | None = None
    ) -> Context:
        assert state is not None
        mean = state["mean"]
        return mean.expand_as(log_probs) if labels.is_dense else mean[labels.label]
