r"""Classwise networks, :math:`L(p, k) = \sum_j \phi(\log p_j, [j = k])`: one small network for all classes.

Blind to the order of the classes and good for any number of them. With :math:`\phi_1` for the label's class
and :math:`\phi_0` for the others, :math:`L(p, k) = S + \delta(p_k)`, :math:`S = \sum_j \phi_0(p_j)`,
:math:`\delta = \phi_1 - \phi_0`: every label's loss costs O(C) together.

The two functions are defined on ``LOG_P_FLOOR <= log p <= 0``. Below the floor :math:`\phi_0` stays 0 and
:math:`\phi_1` goes on with its slope at the floor, so a label of probability 1e-300 still pulls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from evoloss.errors import UnknownNameError
from evoloss.formulas import NumberedFormula
from evoloss.networks.base import LossNetwork
from evoloss.networks.imitation import fit_slopes
from evoloss.networks.kinds.layers import layered_formula
from evoloss.networks.least_cost import Phi, cost_at, least_place
from evoloss.networks.lookup import N_NODES, LookupTables, tabulate
from evoloss.networks.mlp import Layers, PopulationMLP, require_hidden, times_factors
from evoloss.networks.options import Features, NetworkOptions
from evoloss.networks.slopes import Slopes, SlopesByCount
from evoloss.networks.table import LossTable
from evoloss.networks.terms import LOG_P_FLOOR, Context, wide_dtype


class ClasswiseForm(NamedTuple):
    r"""The canonical form of a population at one class count; every entry has shape ``(popsize, 1)``.

    For one candidate in use the entries may be plain numbers.

    Attributes:
        scale: :math:`1 / (h_0 - h_1)` at ``log(1/C)``, with :math:`h = \partial\phi/\partial\log p`.
        at_certain: :math:`\phi_1` at p = 1, before scaling; subtracted.
        at_floor: :math:`\phi_0` at the floor, before scaling; subtracted.
        tail: slope of :math:`\phi_1` at the floor, before scaling.
    """

    scale: Tensor | float
    at_certain: Tensor | float
    at_floor: Tensor | float
    tail: Tensor | float

    @property
    def exists(self) -> Tensor:
        """Mask of the candidates whose form exists (the gradient at uniform points down), ``(popsize,)``."""
        scale, *others = (torch.as_tensor(entry) for entry in self)
        good = (scale > 0) & scale.isfinite()
        for entry in others:
            good = good & entry.isfinite()
        return good.reshape(-1)


@dataclass(frozen=True, kw_only=True)
class ClasswiseNetwork(LossNetwork):
    r"""One small network :math:`\phi` of a class's probability, whether it is the label, and the class count.

    Features are ``log p / 4`` (not with ``features="probs"``), ``p``, the label flag and ``log C / 4``; the
    last lets terms scale with C as label smoothing's do, while at one C it is a constant.

    Attributes:
        hidden: widths of the hidden layers.
        activation: ``"softplus"``, ``"silu"`` or ``"tanh"``.
        features: ``"log_probs"``, or ``"probs"`` to leave the logarithm out (for comparison: such losses
            behave like mean absolute error).

    Example:
        >>> network = ClasswiseNetwork(hidden=(8, 8), activation="silu")
        >>> params = torch.randn(5, network.n_params, generator=torch.Generator().manual_seed(0))
        >>> log_probs = torch.tensor([[0.7, 0.2, 0.1]]).log()
        >>> network.losses(params, log_probs, torch.tensor([0])).shape  # five candidates, one pair
        torch.Size([5, 1])
    """

    kind: ClassVar[str] = "classwise"
    summary: ClassVar[str] = "any class count"
    is_tabulated: ClassVar[bool] = True
    can_imitate: ClassVar[bool] = True

    hidden: tuple[int, ...] = (8, 8)
    activation: str = "silu"
    features: Features = "log_probs"

    def __post_init__(self) -> None:
        if self.features not in ("log_probs", "probs"):
            raise UnknownNameError.among("feature set", self.features, ("log_probs", "probs"))
        require_hidden(self.hidden)
        self.mlp  # noqa: B018 - checks hidden and activation

    @classmethod
    def from_options(cls, options: NetworkOptions) -> Self:
        """Build a network of the options' layers, activation and features."""
        return cls(**options.of_layers())

    @property
    def mlp(self) -> PopulationMLP:
        """The network without its features."""
        return PopulationMLP(4 if self.features == "log_probs" else 3, tuple(self.hidden), self.activation)

    @property
    def n_params(self) -> int:
        """Length of a candidate's parameter vector."""
        return self.mlp.n_params

    def initial(self, generator: torch.Generator) -> Tensor:
        """A random starting point, shape ``(n_params,)``."""
        return self.mlp.initial(generator)

    def constrain(self, params: Tensor) -> Tensor:
        """Map search parameters to network parameters; here they are the same."""
        return params

    def inputs(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        """Feature rows ``(M, n_inputs)`` at log-probabilities ``(M,)``."""
        flag = torch.as_tensor(is_label, dtype=log_p.dtype, device=log_p.device).expand_as(log_p)
        log_c = torch.full_like(log_p, math.log(n_classes) / 4)
        head = [log_p / 4] if self.features == "log_probs" else []
        return torch.stack([*head, log_p.exp(), flag, log_c], dim=-1)

    def tangents(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        """The derivative of :meth:`inputs` with respect to log p, ``(M, n_inputs)``."""
        zero = torch.zeros_like(log_p)
        head = [torch.full_like(log_p, 0.25)] if self.features == "log_probs" else []
        return torch.stack([*head, log_p.exp(), zero, zero], dim=-1)

    def factor(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor | None:
        r"""The factor of the network's output in :math:`\phi`, ``(M,)``; None for 1 everywhere."""
        del log_p, is_label, n_classes
        return None

    def factor_slope(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        """The derivative of :meth:`factor` with respect to log p, where there is one."""
        del is_label, n_classes
        return torch.zeros_like(log_p)

    def raw(self, layers: Layers, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        r""":math:`\phi` before it is made canonical, ``(popsize, M)``.

        Layers are those of constrained parameters, log-probabilities ``(M,)`` from the floor to 0.
        """
        values = self.mlp.value(layers, self.inputs(log_p, is_label, n_classes))
        factor = self.factor(log_p, is_label, n_classes)
        return values if factor is None else values * factor

    def raw_and_slope(
        self, layers: Layers, log_p: Tensor, is_label: bool | Tensor, counts: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """:meth:`raw` and its derivative by log p at several class counts, ``(popsize, counts * M)`` each."""
        rows = torch.cat([self.inputs(log_p, is_label, count) for count in counts])
        tangents = torch.cat([self.tangents(log_p, is_label, count) for count in counts])
        values, slopes = self.mlp.value_and_derivative(layers, rows, tangents)
        factors = [self.factor(log_p, is_label, count) for count in counts]
        factor_slopes = [self.factor_slope(log_p, is_label, count) for count in counts]
        return times_factors(values, slopes, factors, factor_slopes)

    def form(self, params: Tensor, n_classes: int) -> ClasswiseForm:
        """The :class:`ClasswiseForm` of candidates ``(popsize, n_params)`` at ``n_classes``."""
        return self.forms(params, (n_classes,))[0]

    def forms(self, params: Tensor, counts: Sequence[int]) -> list[ClasswiseForm]:
        """:meth:`form` at several class counts, by one pass through the network."""
        layers = self.mlp.layers(self.constrain(params))
        flag = params.new_tensor([1.0, 0.0, 1.0, 0.0, 1.0])
        rows, tangents, factors, factor_slopes = [], [], [], []
        for n_classes in counts:
            uniform = -math.log(n_classes)
            # In the dtype from the start: through float32, a form in float64 would be 1e-7 off.
            log_p = params.new_tensor([uniform, uniform, 0.0, LOG_P_FLOOR, LOG_P_FLOOR])
            rows.append(self.inputs(log_p, flag, n_classes))
            tangents.append(self.tangents(log_p, flag, n_classes))
            factors.append(self.factor(log_p, flag, n_classes))
            factor_slopes.append(self.factor_slope(log_p, flag, n_classes))
        values, slopes = self.mlp.value_and_derivative(layers, torch.cat(rows), torch.cat(tangents))
        values, slopes = times_factors(values, slopes, factors, factor_slopes)
        return [
            ClasswiseForm(
                1 / (slopes[:, at + 1 : at + 2] - slopes[:, at : at + 1]),
                values[:, at + 2 : at + 3],
                values[:, at + 3 : at + 4],
                slopes[:, at + 4 : at + 5],
            )
            for at in range(0, 5 * len(counts), 5)
        ]

    def constants(self, params: Tensor, n_classes: int) -> ClasswiseForm:
        """The form of one candidate ``(n_params,)`` as four numbers: what a loss in use keeps.

        In the dtype of the parameters: its rounding is that of the values it is subtracted from.
        """
        scale, at_certain, at_floor, tail = (float(entry) for entry in self.form(params[None], n_classes))
        return ClasswiseForm(scale, at_certain, at_floor, tail)

    def phi(
        self, params: Tensor, form: ClasswiseForm, log_p: Tensor, is_label: Tensor, n_classes: int
    ) -> Tensor:
        r"""Canonical :math:`\phi_1` where ``is_label``, else :math:`\phi_0`, shape ``(popsize, M)``.

        Args:
            params: one candidate a row.
            form: of these candidates at ``n_classes``.
            log_p: log-probabilities, shape ``(M,)``; ``-inf`` is allowed.
            is_label: bool, shape ``(M,)``.
            n_classes: the class count.
        """
        low = log_p < LOG_P_FLOOR
        inside = torch.where(low, LOG_P_FLOOR, log_p)
        # where, not a product: for the other classes log p may be -inf.
        below = torch.where(low & is_label, LOG_P_FLOOR - log_p, 0.0)
        flag = is_label.to(log_p.dtype)
        raw = self.raw(self.mlp.layers(self.constrain(params)), inside, flag, n_classes)
        offset = form.at_floor + (form.at_certain - form.at_floor) * flag
        return form.scale * (raw - offset - form.tail * below)

    def phi_label(self, params: Tensor, form: ClasswiseForm, log_p: Tensor, n_classes: int) -> Tensor:
        r"""Canonical :math:`\phi_1` at log-probabilities ``(M,)``, shape ``(popsize, M)``."""
        return self.phi(params, form, log_p, torch.ones_like(log_p, dtype=torch.bool), n_classes)

    def phi_other(self, params: Tensor, form: ClasswiseForm, log_p: Tensor, n_classes: int) -> Tensor:
        r"""Canonical :math:`\phi_0` at log-probabilities ``(M,)``, shape ``(popsize, M)``."""
        return self.phi(params, form, log_p, torch.zeros_like(log_p, dtype=torch.bool), n_classes)

    def losses(
        self, params: Tensor, log_probs: Tensor, target: Tensor, form: ClasswiseForm | None = None
    ) -> Tensor:
        """Canonical losses ``(popsize, N)`` of candidates ``(popsize, n_params)``.

        Args:
            params: one candidate a row.
            log_probs: normalised log-probabilities, shape ``(N, C)``.
            target: labels in ``[0, C)``, shape ``(N,)``.
            form: of these candidates at C; computed if it is not given.
        """
        n, n_classes = log_probs.shape
        form = form or self.form(params, n_classes)
        is_label = torch.arange(n_classes, device=target.device) == target[:, None]
        terms = self.phi(params, form, log_probs.reshape(-1), is_label.reshape(-1), n_classes)
        return terms.view(len(params), n, n_classes).sum(dim=2)

    def population_table(self, n_grid: int) -> LossTable:
        """The :class:`LossTable` of this network."""
        return LossTable(self, n_grid)

    def slopes(self, params: Tensor, n_classes: int, *, canonical: bool = True) -> Slopes:
        r"""The exact slopes of candidates at ``n_classes``; see :class:`LossNetwork`.

        Below the floor :math:`\phi_0` is constant and :math:`\phi_1` linear, as everywhere in this package.
        Candidates without a canonical form have zeros.
        """
        form = self.form(params, n_classes)
        layers = self.mlp.layers(self.constrain(params))
        scale, exists = torch.as_tensor(form.scale), form.exists[:, None, None]
        if not canonical:
            scale, exists = torch.ones_like(scale), torch.ones_like(exists)

        def slopes(log_p: Tensor) -> Tensor:
            inside = log_p.clamp(min=LOG_P_FLOOR).repeat(2)
            flag = torch.arange(2, device=log_p.device).repeat_interleave(len(log_p)).to(log_p.dtype)
            _, raw = self.raw_and_slope(layers, inside, flag, (n_classes,))
            both = (scale * raw).view(len(params), 2, -1)
            gone = torch.stack([log_p < LOG_P_FLOOR, torch.zeros_like(log_p, dtype=torch.bool)])
            return torch.where(exists & ~gone, both, 0.0)

        return slopes

    def imitate(self, start: Tensor, known: SlopesByCount, name: str) -> Tensor:
        """Fit the slopes of a known loss by L-BFGS; see :class:`LossNetwork`."""
        return fit_slopes(self, start, known, name)

    def formula(self, params: Tensor, n_classes: int) -> NumberedFormula:
        """The canonical cost as a formula with numbers."""
        return layered_formula(self, params, n_classes)

    def label_costs(
        self,
        params: Tensor,
        log_probs: Tensor,
        target: Tensor,
        form: ClasswiseForm | None = None,
        context: Context = None,
    ) -> Tensor:
        """One candidate's canonical costs of labels ``(N,)``; see :class:`LossNetwork`."""
        del context
        return self.losses(params[None], log_probs, target, form)[0]

    def class_costs(
        self, params: Tensor, log_probs: Tensor, form: ClasswiseForm | None = None, context: Context = None
    ) -> Tensor:
        r"""One candidate's :math:`L(p, k)` for every k, ``(N, C)``, from ``params (n_params,)``."""
        del context
        n_classes = log_probs.shape[1]
        row, flat = params[None], log_probs.reshape(-1)
        form = form or self.form(row, n_classes)
        other = self.phi_other(row, form, flat, n_classes).reshape(log_probs.shape)
        label = self.phi_label(row, form, flat, n_classes).reshape(log_probs.shape)
        return other.sum(dim=1, keepdim=True) - other + label

    def tables(self, params: Tensor, n_classes: int, n_nodes: int | None = None) -> LookupTables:
        """The loss at a class count as tables, on the device of the parameters."""
        return tabulate(self, params, n_classes, n_nodes or N_NODES)

    def terms(self, params: Tensor, n_classes: int) -> LookupTables:
        """The loss at a class count as tables; see :class:`LossNetwork`."""
        return self.tables(params, n_classes)

    def least_cost(self, params: Tensor, n_classes: int, form: ClasswiseForm | None = None) -> Tensor:
        """The least that any prediction costs by the canonical form, a scalar; see :mod:`.least_cost`."""
        if self.is_nonnegative:
            return params.new_zeros(())
        wide = params.detach().to(wide_dtype(params.device))
        place = least_place(*self._phis(wide, n_classes), n_classes, wide)
        return cost_at(*self._phis(params, n_classes, form), place, n_classes, params)

    def _phis(self, params: Tensor, n_classes: int, form: ClasswiseForm | None = None) -> tuple[Phi, Phi]:
        r"""One candidate's :math:`\phi_1` and :math:`\phi_0` as functions of log-probabilities alone."""
        row = params[None]
        known = form or self.form(row, n_classes)
        return (
            lambda log_p: self.phi_label(row, known, log_p, n_classes)[0],
            lambda log_p: self.phi_other(row, known, log_p, n_classes)[0],
        )
