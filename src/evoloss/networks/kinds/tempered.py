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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from evoloss.formulas import TENSORS, BatchOperations, Formula, NumberedFormula
from evoloss.networks.base import LossNetwork
from evoloss.networks.slopes import Slopes
from evoloss.networks.states import RunningState
from evoloss.networks.tempered_terms import EXPONENTS, TemperedTerms
from evoloss.networks.tempering import Tempering, certainty, exponent_at
from evoloss.networks.terms import LOG_P_FLOOR, Context, LabelView
from evoloss.pairs import label_log_probs

N_WEIGHTS = len(EXPONENTS)
_LARGEST = 12.0
_LARGEST_POWER = 4.0
_START_SPREAD = 0.3


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


def tempered_slope(tempered: Any, weights: Sequence[Any], on: BatchOperations = TENSORS) -> Any:
    r"""Slope of :func:`tempered_mixture` by log p: :math:`-\sum_i w_i p^{e_i t}`.

    Args:
        tempered: t log p, of any shape.
        weights: five, above 0, which broadcast with it.
        on: operations.
    """
    powers = [on.exp(exponent * tempered) for exponent in EXPONENTS]
    return -sum(weight * power for weight, power in zip(weights, powers, strict=True))


def tempered_mixture(log_p: Any, exponent: Any, weights: Sequence[Any], on: BatchOperations = TENSORS) -> Any:
    r"""Mixture of powers, :math:`\frac1t \sum_i w_i (1 - p^{e_i t}) / e_i` with e = (0, 1/2, 1, 2, 4).

    Below :data:`LOG_P_FLOOR` it goes on with its slope there.

    Args:
        log_p: log-probabilities of labels, of any shape.
        exponent: t, above 0; broadcasts with it.
        weights: five, above 0; likewise.
        on: operations.
    """
    inside = on.where(log_p < LOG_P_FLOOR, LOG_P_FLOOR, log_p)
    # y = 1 - p^(t / 2): the other powers' distances from 1 follow from it without loss of digits.
    y = -on.expm1(exponent * inside / 2)
    terms = [-exponent * inside, 2 * y]
    distance = y
    for fraction in EXPONENTS[2:]:
        distance = distance * (2 - distance)  # 1 - x^2 from 1 - x
        terms.append(distance / fraction)
    raw = sum(weight * term for weight, term in zip(weights, terms, strict=True)) / exponent
    below = on.where(log_p < LOG_P_FLOOR, log_p - LOG_P_FLOOR, 0.0)
    return raw + tempered_slope(exponent * LOG_P_FLOOR, weights, on) * below


def tempered_cost(
    log_p: Any, context: Any, weights: Sequence[Any], least: Any, power: Any, on: BatchOperations = TENSORS
) -> Any:
    r"""Tempered cost: :func:`tempered_mixture` with the exponent :math:`t = a + (1 - a)\, c^\gamma`.

    Args:
        log_p: log-probabilities of labels, of any shape.
        context: c, the certainty of the predictions or the agreement of the batch; broadcasts with it.
        weights: five, in canonical scale.
        least: a.
        power: gamma.
        on: operations.
    """
    exponent = exponent_at(on.constant(context), least, power, on)
    return tempered_mixture(log_p, exponent, weights, on)


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
    is_nonnegative: ClassVar[bool] = True  # a sum of positive terms

    _start: ClassVar[tuple[float, ...]] = (-3.0, -1.0, -1.0, -1.0, -1.0, -2.0, 0.0)
    _formula: ClassVar[Formula] = Formula(tempered_cost, "label", "certainty")

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
        slope: Tensor = tempered_slope(tempered, torch.split(self.constrain(params), 1, dim=1))
        return slope

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
        weights = torch.split(self.constrain(params), 1, dim=1)
        cost: Tensor = form.scale * tempered_mixture(log_p, exponent, weights)
        return cost

    def formula(self, params: Tensor, n_classes: int) -> NumberedFormula:
        """The canonical cost as a formula with numbers."""
        weights, (least, power) = self._numbers(params, n_classes)
        numbers = {"weights": list(weights), "least": least, "power": power}
        return NumberedFormula(self._formula, numbers)

    def terms(self, params: Tensor, n_classes: int) -> TemperedTerms:
        """One candidate ``(n_params,)`` at a class count as plain numbers."""
        return TemperedTerms(*self._numbers(params, n_classes))

    def _numbers(self, params: Tensor, n_classes: int) -> tuple[tuple[float, ...], tuple[float, float]]:
        """Scaled weights, least exponent and power of one candidate."""
        row = params[None].double()
        scaled = self.form(row, n_classes).scale * self.constrain(row)
        tempering = self.tempering(row)
        return tuple(scaled[0].tolist()), (float(tempering.least), float(tempering.power))

    def context(
        self, params: Tensor, log_probs: Tensor, labels: LabelView, state: RunningState | None = None
    ) -> Context:
        """The certainty of each prediction, ``(N,)``."""
        del params, labels, state
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
