r"""Tempered networks: the label's cost depends on how certain the prediction is, not on p_y alone.

A loss that orders all predictions by :math:`1 - p_y` is a function of p_y, and a function of p_y cannot tell
a label that is wrong from one that is not learned yet: both have a small p_y. What tells them apart is the
rest of the prediction. Flat, it has learned nothing; certain of another class, it contradicts the label.
*Dominance* (a prediction is worse if mass moved from its label to other classes) leaves room for that, since
it does not compare the two. With the certainty

.. math:: c(p) = \frac{C \max_j p_j - 1}{C - 1} \in [0, 1], \qquad t(p) = a + (1 - a)\, c(p)^\gamma,

the loss is a mixture in the tempered probability :math:`p_k^t`,

.. math:: L(p, k) = \frac1t \sum_i w_i \frac{1 - p_k^{e_i t}}{e_i}, \qquad e = (0, 1/2, 1, 2, 4),

where the term of exponent 0 is its limit :math:`-t \log p_k`. At a flat prediction t is near a, and with a
near 0 the loss is cross-entropy; at a certain one it is the mixture itself: with weight on e = 0.7 alone it
would be generalised cross-entropy (arXiv:1805.07836) of an exponent that grows with certainty. t is a weight
and not a way to a smaller loss: no gradient flows through it, since a student that could lower its loss by
being certain of anything would. So :math:`-\partial L / \partial \log p_k = \sum_i w_i p_k^{e_i t}`, all
positive, and the gradient by the logits is cross-entropy's times that number.

Any class count; class costs are O(C).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from evoloss.networks.base import LossNetwork
from evoloss.networks.slopes import Slopes
from evoloss.networks.states import RunningState
from evoloss.networks.tempering import MIN_EXPONENT, Tempering, certainty
from evoloss.networks.terms import LOG_P_FLOOR, Array, Context, FewCosts, FewRows, LabelView, RowTerms
from evoloss.pairs import label_log_probs

EXPONENTS = (0.0, 0.5, 1.0, 2.0, 4.0)
N_WEIGHTS = len(EXPONENTS)
_LARGEST = 12.0
_LARGEST_POWER = 4.0
_START_SPREAD = 0.3
_FEW = 4096  # rows of which all powers are made at once


class TemperedForm(NamedTuple):
    r"""The canonical form of a population at one class count.

    Attributes:
        scale: :math:`1 / (-\partial L / \partial \log p_k)` at the uniform prediction, ``(popsize, 1)``.
    """

    scale: Tensor

    @property
    def exists(self) -> Tensor:
        """Mask of the candidates whose form exists, ``(popsize,)``: all whose parameters are finite."""
        return ((self.scale > 0) & self.scale.isfinite()).squeeze(1)


class _Vectors(NamedTuple):
    """The numbers of :class:`TemperedTerms` as tensors; an operation takes one in half of a number's time.

    Attributes:
        exponents: those above 0, ``(4, 1)``.
        of_slope: what their powers weigh in the slope, ``(4,)``.
        of_cost: the same in the cost times the exponent.
        constant: minus the sum of all weights, ``(1,)``.
        least: least exponent, a scalar.
        power: of the context in the exponent, a scalar.
    """

    exponents: Tensor
    of_slope: Tensor
    of_cost: Tensor
    constant: Tensor
    least: Tensor
    power: Tensor


@dataclass(frozen=True)
class TemperedTerms(RowTerms):
    """One loss at one class count, as plain numbers: what a loss in use keeps.

    Attributes:
        weights: of the terms, scaled.
        tempering: least exponent and power.

    Example:
        >>> network = TemperedNetwork()
        >>> terms = network.terms(network.initial(torch.Generator().manual_seed(0)), 10)
        >>> isinstance(terms, TemperedTerms), len(terms.weights)
        (True, 5)
    """

    weights: tuple[float, ...]
    tempering: tuple[float, float]
    sees_row = True

    def row_context(self, log_probs: Tensor) -> Tensor:
        """The certainty of predictions, which the exponent follows."""
        return certainty(log_probs)

    def cost_and_slope(self, log_p: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """Costs and their slopes by ``log_p``, of its shape; the exponent follows ``context``."""
        assert context is not None  # row_context or batch_context gave it
        few = log_p.dim() == 1 and len(log_p) <= _FEW and log_p.dtype == torch.float32
        least, power = self.tempering
        if few:
            vectors = self._vectors
            exponent = torch.add(vectors.least, context.pow(vectors.power), alpha=1 - least)
        else:
            exponent = context.pow(power).mul_(1 - least).add_(least)
        if least < MIN_EXPONENT:
            exponent.clamp_(min=MIN_EXPONENT)
        low = log_p.amin().item() < LOG_P_FLOOR if log_p.numel() else False
        tempered = (log_p.clamp(min=LOG_P_FLOOR) if low else log_p) * exponent
        if few:
            # An operation costs more than its numbers: all powers at once, less 1, ``(N, 4)``.
            powers = torch.expm1(tempered * vectors.exponents).t()
            cost = torch.addmv(tempered, powers, vectors.of_cost, beta=-self.weights[0])
            slope = torch.addmv(vectors.constant, powers, vectors.of_slope)
        else:
            cost, slope = self._many(tempered)
        cost.div_(exponent)
        if low:
            cost.addcmul_(slope, log_p.clamp(max=LOG_P_FLOOR).sub_(LOG_P_FLOOR))
        return cost, slope

    def few(self, rows: FewRows) -> FewCosts | None:
        """Costs and slopes of a small batch; see :class:`RowTerms`."""
        log_p = rows.log_p
        if log_p.min() < LOG_P_FLOOR:
            return None
        exponents, of_slope, of_cost, constant = self._arrays
        least, power = self.tempering
        exponent = self.few_context(rows)
        np.power(exponent, power, out=exponent)
        exponent *= 1 - least
        exponent += least
        if least < MIN_EXPONENT:
            np.maximum(exponent, MIN_EXPONENT, out=exponent)
        tempered = exponent * log_p
        powers = np.expm1(tempered * exponents)
        slope = of_slope @ powers
        slope += constant
        cost = of_cost @ powers
        tempered *= self.weights[0]
        cost -= tempered
        cost /= exponent
        return cost, slope, None

    def few_context(self, rows: FewRows) -> Array:
        """The value that the exponent follows, ``(N,)``: here the certainty."""
        n_classes = len(rows.log_probs)
        above: Array = np.float32(n_classes) / rows.total
        above -= 1
        above[above < 8 * np.finfo(np.float32).eps] = 0
        above /= max(1, n_classes - 1)
        return above

    @cached_property
    def _arrays(self) -> tuple[Array, Array, Array, Array]:
        exponents, of_slope, of_cost, constant, _, _ = self._vectors
        return exponents.numpy(), of_slope.numpy(), of_cost.numpy(), constant.numpy()

    @cached_property
    def _vectors(self) -> _Vectors:
        numbers = (*EXPONENTS[1:], *self.weights[1:], -sum(self.weights), *self.tempering)
        made = torch.tensor(numbers, dtype=torch.float32, device="cpu")
        exponents, weights = made[:4], made[4:8]
        return _Vectors(exponents[:, None], -weights, -weights / exponents, made[8:9], made[9], made[10])

    def _many(self, tempered: Tensor) -> tuple[Tensor, Tensor]:
        """The same in little memory: the powers are made one from the other."""
        # u = p^(t / 2) - 1; the other powers' distances from 1 follow from it without loss of digits.
        u = tempered.mul(0.5).expm1_()
        x = u + 1
        cost = tempered.mul_(-self.weights[0]).add_(u, alpha=-2 * self.weights[1])
        slope = x.mul(-self.weights[1]).sub_(self.weights[0])
        for exponent, weight in zip(EXPONENTS[2:], self.weights[2:], strict=True):
            u = torch.addcmul(u, u, x)
            x = x * x
            cost.add_(u, alpha=-weight / exponent)
            slope.add_(x, alpha=-weight)
        return cost, slope


@dataclass(frozen=True, kw_only=True)
class TemperedNetwork(LossNetwork):
    r"""See the module's docstring; there is nothing to choose.

    Parameters, ``(popsize, 7)``: the logarithms of the five weights, the logit of a, the logarithm of
    :math:`\gamma`. They are cut at 12 either way, :math:`\gamma` at 1/4 and 4.

    Example:
        >>> network = TemperedNetwork()
        >>> params = network.initial(torch.Generator().manual_seed(0))
        >>> network.losses(params[None], torch.tensor([[0.5, 0.5]]).log(), torch.tensor([0])).shape
        torch.Size([1, 1])
    """

    kind: ClassVar[str] = "tempered"
    summary: ClassVar[str] = (
        "the label's cost depends on how certain the prediction is; consistent under error dominance only"
    )
    follows_dominance_only: ClassVar[bool] = True
    interpolates_slopes: ClassVar[bool] = False  # five exponentials
    certain_is_cheapest: ClassVar[bool] = True  # a sum of positive terms, all 0 there

    _start: ClassVar[tuple[float, ...]] = (-3.0, -1.0, -1.0, -1.0, -1.0, -2.0, 0.0)

    @property
    def n_params(self) -> int:
        """Length of a candidate's parameter vector."""
        return N_WEIGHTS + 2

    def initial(self, generator: torch.Generator) -> Tensor:
        """A random starting point, ``(n_params,)``: near cross-entropy where flat, robust where certain."""
        noise = torch.randn(self.n_params, generator=generator, dtype=torch.float32)
        return torch.tensor(self._start, dtype=torch.float32) + _START_SPREAD * noise

    def constrain(self, params: Tensor) -> Tensor:
        """The weights of the terms, ``(popsize, 5)``, all positive."""
        return params[:, :N_WEIGHTS].clamp(-_LARGEST, _LARGEST).exp()

    def tempering(self, params: Tensor) -> Tempering:
        """The exponent of each candidate as a function of its context, ``(popsize, 1)`` each."""
        within = params[:, N_WEIGHTS:].clamp(-_LARGEST, _LARGEST)
        bound = math.log(_LARGEST_POWER)
        least, power = within[:, :1].sigmoid(), within[:, 1:].clamp(-bound, bound).exp()
        return Tempering(least, power, torch.ones_like(least) if self.sees_batch else None)

    def raw_slope(self, params: Tensor, tempered: Tensor) -> Tensor:
        r""":math:`\partial L / \partial \log p_k` before scaling, ``(popsize, M)``.

        Args:
            params: one candidate a row.
            tempered: ``t log p_k``, ``(M,)`` or ``(popsize, M)``.
        """
        weights = self.constrain(params)
        powers = [(exponent * tempered).exp() for exponent in EXPONENTS]
        return -sum(weights[:, at : at + 1] * power for at, power in enumerate(powers))  # type: ignore[return-value]

    def slopes(self, params: Tensor, n_classes: int, *, canonical: bool = True) -> Slopes:
        """The exact slopes of candidates as functions of ``t log p``; those of the other classes are 0."""
        scale = self.form(params, n_classes).scale if canonical else params.new_ones(())

        def slopes(tempered: Tensor) -> Tensor:
            label = scale * self.raw_slope(params, tempered)
            return torch.stack([torch.zeros_like(label), label], dim=1)

        return slopes

    def form(self, params: Tensor, n_classes: int) -> TemperedForm:
        """The canonical form of candidates ``(popsize, n_params)``: the scale; the offset is 0 as it is."""
        uniform = self.tempering(params).at(params.new_zeros(1, 1)) * -math.log(n_classes)
        return TemperedForm(-1 / self.raw_slope(params, uniform))

    def costs(self, params: Tensor, form: TemperedForm, log_p: Tensor, context: Tensor) -> Tensor:
        """Canonical costs of giving labels the log-probabilities ``log_p``, ``(popsize, M)``.

        Args:
            params: one candidate a row.
            form: of these candidates.
            log_p: shape ``(M,)``; below the floor the cost goes on with its slope there.
            context: what the exponent follows, here the certainty of the predictions, shape ``(M,)``.
        """
        exponent = self.tempering(params).at(context.detach())
        inside = torch.where(log_p < LOG_P_FLOOR, LOG_P_FLOOR, log_p)
        # y = 1 - p^(t / 2): the other powers' distances from 1 follow from it without loss of digits.
        y = -torch.expm1(exponent * inside / 2)
        terms = [-exponent * inside, 2 * y]
        distance = y
        for fraction in EXPONENTS[2:]:
            distance = distance * (2 - distance)  # 1 - x^2 from 1 - x
            terms.append(distance / fraction)
        weights = self.constrain(params)
        raw = sum(weights[:, at : at + 1] * term for at, term in enumerate(terms)) / exponent
        below = torch.where(log_p < LOG_P_FLOOR, log_p - LOG_P_FLOOR, 0.0)
        return form.scale * (raw + self.raw_slope(params, exponent * LOG_P_FLOOR) * below)

    def terms(self, params: Tensor, n_classes: int) -> TemperedTerms:
        """One candidate ``(n_params,)`` at a class count as plain numbers."""
        return TemperedTerms(*self._numbers(params, n_classes))

    def _numbers(self, params: Tensor, n_classes: int) -> tuple[tuple[float, ...], tuple[float, float]]:
        """Scaled weights, least exponent and power of one candidate."""
        row = params[None].double()
        scaled = self.form(row, n_classes).scale * self.constrain(row)
        tempering = self.tempering(row)
        return tuple(scaled[0].tolist()), (float(tempering.least), float(tempering.power))

    def context(self, log_probs: Tensor, labels: LabelView, state: RunningState | None = None) -> Context:
        """The certainty of each prediction, ``(N,)``."""
        del labels, state
        return certainty(log_probs)

    def losses(
        self,
        params: Tensor,
        log_probs: Tensor,
        target: Tensor,
        form: TemperedForm | None = None,
        context: Context = None,
    ) -> Tensor:
        """Canonical losses ``(popsize, N)``; arguments as for ``ClasswiseNetwork.losses``.

        Args:
            params: one candidate a row.
            log_probs: of the predictions, ``(N, C)``.
            target: class indices, ``(N,)``.
            form: of these candidates, if it is known already.
            context: what the exponent follows, of each position, ``(N,)``, or a scalar for all. Where it is
                not given it is the certainty of the predictions, and 1 for a paced network.
        """
        form = form or self.form(params, log_probs.shape[1])
        return self.costs(
            params, form, label_log_probs(log_probs, target), self._followed(log_probs, context)
        )

    def label_costs(
        self,
        params: Tensor,
        log_probs: Tensor,
        target: Tensor,
        form: TemperedForm | None = None,
        context: Context = None,
    ) -> Tensor:
        """One candidate's canonical costs of labels ``(N,)``; see :class:`LossNetwork`."""
        return self.losses(params[None], log_probs, target, form, context)[0]

    def class_costs(
        self,
        params: Tensor,
        log_probs: Tensor,
        form: TemperedForm | None = None,
        context: Context = None,
    ) -> Tensor:
        """One candidate's canonical ``L(p, k)`` for every k, ``(N, C)``, from ``params (n_params,)``.

        A context may differ from class to class here, ``(N, C)``.
        """
        n_classes = log_probs.shape[1]
        form = form or self.form(params[None], n_classes)
        followed = self._followed(log_probs, context)
        followed = (followed if followed.dim() == 2 else followed[:, None]).expand_as(log_probs)
        return self.costs(params[None], form, log_probs.reshape(-1), followed.reshape(-1)).reshape(
            log_probs.shape
        )

    def _followed(self, log_probs: Tensor, context: Context) -> Tensor:
        """The value that the exponent of each prediction follows, ``(N,)``."""
        known = self._default(log_probs) if context is None else context.detach().to(log_probs.dtype)
        return known.expand(len(log_probs)) if known.dim() == 0 else known

    def _default(self, log_probs: Tensor) -> Tensor:
        """The value that the exponent follows where no context is given."""
        return certainty(log_probs)
