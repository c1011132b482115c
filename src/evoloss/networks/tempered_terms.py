"""Terms of tempered networks: costs and slopes of a loss in use, whose exponent follows a context.

See :mod:`evoloss.networks.kinds.tempered` for the formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from evoloss.networks.tempering import MIN_EXPONENT, certainty
from evoloss.networks.terms import LOG_P_FLOOR, Array, Context, FewCosts, FewRows, RowTerms

EXPONENTS = (0.0, 0.5, 1.0, 2.0, 4.0)
_NEAR_0 = 2.0**-40


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
        followed: Tensor = certainty(log_probs)
        return followed

    def cost_and_slope(self, log_p: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """Costs and their slopes by ``log_p``, of its shape; the exponent follows ``context``."""
        assert context is not None  # row_context or batch_context gave it
        least, power = self.tempering
        exponent = context.pow(power).mul_(1 - least).add_(least)
        if least < MIN_EXPONENT:
            exponent.clamp_(min=MIN_EXPONENT)
        low = log_p.amin().item() < LOG_P_FLOOR if log_p.numel() else False
        tempered = (log_p.clamp(min=LOG_P_FLOOR) if low else log_p) * exponent
        # u = p^(t / 2) - 1; the other powers' distances from 1 follow from it without loss of digits.
        u = tempered.mul(0.5).expm1_()
        x = u + 1
        cost = tempered.mul_(-self.weights[0]).add_(u, alpha=-2 * self.weights[1])
        slope = x.mul(-self.weights[1]).sub_(self.weights[0])
        for e, weight in zip(EXPONENTS[2:], self.weights[2:], strict=True):
            u = torch.addcmul(u, u, x)
            x = x * x
            cost.add_(u, alpha=-weight / e)
            slope.add_(x, alpha=-weight)
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
