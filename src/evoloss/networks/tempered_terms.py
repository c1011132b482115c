"""Terms of tempered networks: costs and slopes of a loss in use, whose exponent follows a context.

See :mod:`evoloss.networks.kinds.tempered` for the formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from evoloss.networks.tempering import MIN_EXPONENT, certainty
from evoloss.networks.terms import LOG_P_FLOOR, Array, Context, FewCosts, FewRows, RowTerms

EXPONENTS = (0.0, 0.5, 1.0, 2.0, 4.0)
_NEAR_0 = 2.0**-40
_FEW = 4096  # rows of which all powers are made at once


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
        >>> from evoloss.networks import TemperedNetwork
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

    def few(self, rows: FewRows) -> FewCosts:
        """Costs and slopes of a small batch; see :class:`RowTerms`."""
        exponents, factors, constant = self._arrays
        least, power = self.tempering
        exponent = self.few_context(rows)
        np.power(exponent, power, out=exponent)
        exponent *= 1 - least
        exponent += least
        if least < MIN_EXPONENT:
            np.maximum(exponent, MIN_EXPONENT, out=exponent)
        powers = np.expm1(exponent * rows.log_p * exponents)
        cost, slope = factors @ powers
        cost /= exponent
        slope += constant
        return cost, slope

    def few_context(self, rows: FewRows) -> Array:
        """The value that the exponent follows, ``(N,)``: here the certainty."""
        n_classes = len(rows.log_probs)
        above: Array = np.exp(np.maximum.reduce(rows.log_probs, 0))
        above *= n_classes
        above -= 1
        above[above < 8 * np.finfo(np.float32).eps] = 0
        above /= max(1, n_classes - 1)
        return above

    @cached_property
    def _arrays(self) -> tuple[Array, Array, np.float32]:
        """The exponents, ``(5, 1)``; what powers less 1 weigh in cost and slope, ``(2, 5)``; a constant.

        The exponent 0 is a small one instead, whose power less 1 is the exponent times log p in float32.
        """
        exponents = np.array([_NEAR_0, *EXPONENTS[1:]], np.float32)
        weights = np.array(self.weights, np.float32)
        factors = np.stack([-weights / exponents, -weights])
        return exponents[:, None], factors, np.float32(-sum(self.weights))

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
