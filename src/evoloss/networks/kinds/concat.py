"""The paper's reading: one network on the concatenated prediction and one-hot label, for one class count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.formulas import NumberedFormula
from evoloss.networks.base import LossNetwork
from evoloss.networks.kinds.layers import concat_formula
from evoloss.networks.mlp import PopulationMLP, require_hidden
from evoloss.networks.options import Features, NetworkOptions
from evoloss.networks.terms import LOG_P_FLOOR, Context

# Its canonical form, and costs of all labels, take memory quadratic in the class count; a config must not ask
# for gigabytes.
MAX_CONCAT_CLASSES = 1024


class ConcatForm(NamedTuple):
    """The canonical form of a population.

    Attributes:
        scale: makes ``-dL/dz_y`` at uniform, averaged over labels, equal to ``1 - 1/C``; ``(popsize, 1)``.
        at_certain: the raw loss of a perfect prediction of each class, subtracted by label; ``(popsize, C)``.
    """

    scale: Tensor
    at_certain: Tensor

    @property
    def exists(self) -> Tensor:
        """Mask of the candidates whose form exists (the gradient at uniform points down), ``(popsize,)``."""
        return (
            (self.scale > 0).squeeze(1) & self.scale.isfinite().squeeze(1) & self.at_certain.isfinite().all(1)
        )


@dataclass(frozen=True, kw_only=True)
class ConcatNetwork(LossNetwork):
    """A multi-layer perceptron on ``(prediction, one-hot label)``, ``2 C`` features.

    Unlike a classwise network it knows the classes apart, and fits one class count only.

    Attributes:
        n_classes: the class count, from 2 to ``MAX_CONCAT_CLASSES``.
        hidden: widths of the hidden layers.
        activation: ``"softplus"``, ``"silu"`` or ``"tanh"``.
        features: ``"log_probs"`` (``log p / 4``, at least the floor's) or ``"probs"``, the paper's.

    Example:
        >>> network = ConcatNetwork(n_classes=3, hidden=(16,))
        >>> network.class_counts
        (3,)
    """

    kind: ClassVar[str] = "concat"
    summary: ClassVar[str] = "the paper's reading, one class count"
    tells_classes_apart: ClassVar[bool] = True
    has_slopes: ClassVar[bool] = False

    n_classes: int
    hidden: tuple[int, ...] = (16, 16)
    activation: str = "silu"
    features: Features = "log_probs"

    def __post_init__(self) -> None:
        if not 2 <= self.n_classes <= MAX_CONCAT_CLASSES:
            raise ConfigError(
                f"n_classes of a concat network must be from 2 to {MAX_CONCAT_CLASSES}, got {self.n_classes}"
            )
        if self.features not in ("log_probs", "probs"):
            raise UnknownNameError.among("feature set", self.features, ("log_probs", "probs"))
        require_hidden(self.hidden)
        self.mlp  # noqa: B018 - checks hidden and activation

    @classmethod
    def from_options(cls, options: NetworkOptions) -> Self:
        """Build a network for the one class count of the options."""
        if len(options.classes) != 1:
            raise ConfigError(
                f"a concat network has one class count, got classes={options.classes}; give one, such as 10"
            )
        return cls(n_classes=options.classes[0], **options.of_layers())

    @property
    def class_counts(self) -> tuple[int, ...]:
        """The one class count that it is for."""
        return (self.n_classes,)

    @property
    def mlp(self) -> PopulationMLP:
        """The network without its features."""
        return PopulationMLP(2 * self.n_classes, tuple(self.hidden), self.activation)

    @property
    def n_params(self) -> int:
        """Length of a candidate's parameter vector."""
        return self.mlp.n_params

    def initial(self, generator: torch.Generator) -> Tensor:
        """A random starting point, shape ``(n_params,)``."""
        return self.mlp.initial(generator)

    def inputs(self, log_probs: Tensor, target: Tensor) -> Tensor:
        """Feature rows ``(N, 2 C)``."""
        self.check_classes(log_probs.shape[1])
        floored = torch.where(log_probs < LOG_P_FLOOR, LOG_P_FLOOR, log_probs)
        prediction = floored / 4 if self.features == "log_probs" else log_probs.exp()
        # What F.one_hot gives; that looks at the values of the target, which a trace has not.
        one_hot = target.unsqueeze(1) == torch.arange(self.n_classes, device=target.device)
        return torch.cat([prediction, one_hot.to(log_probs.dtype)], dim=1)

    def check_classes(self, n_classes: int) -> None:
        """Raise ``ValueError`` (PyTorch's type for mismatched sizes) unless this is the class count."""
        if n_classes != self.n_classes:
            raise ValueError(
                f"this concat loss was evolved for {self.n_classes} classes and cannot score {n_classes}; "
                "use a classwise or monotone loss, which fit any class count, or evolve one for this count"
            )

    def form(self, params: Tensor, n_classes: int) -> ConcatForm:
        """The canonical form of candidates ``(popsize, n_params)``; see :class:`ConcatForm`."""
        self.check_classes(n_classes)
        layers = self.mlp.layers(params)
        labels = torch.arange(n_classes, device=params.device)
        one_hot = torch.eye(n_classes, dtype=params.dtype, device=params.device)
        certain = torch.where(one_hot > 0, 0.0, -torch.inf).to(params.dtype)
        uniform = torch.full_like(one_hot, -math.log(n_classes))
        # The direction of the label's logit: d log p_j / d z_y = [j = y] - p_j.
        direction = one_hot - 1 / n_classes
        tangent = direction / 4 if self.features == "log_probs" else direction / n_classes
        tangents = torch.cat([tangent, torch.zeros_like(one_hot)], dim=1)
        _, slopes = self.mlp.value_and_derivative(layers, self.inputs(uniform, labels), tangents)
        scale = -(1 - 1 / n_classes) / slopes.mean(dim=1, keepdim=True)
        return ConcatForm(scale, self.mlp.value(layers, self.inputs(certain, labels)))

    def formula(self, params: Tensor, n_classes: int) -> NumberedFormula:
        """The canonical cost as a formula with numbers."""
        return concat_formula(self, params, n_classes)

    def exact_elements(self, n_classes: int) -> int:
        """A row of features and one-hot labels for each label of the form; quadratic."""
        return n_classes * n_classes

    def losses(
        self, params: Tensor, log_probs: Tensor, target: Tensor, form: ConcatForm | None = None
    ) -> Tensor:
        """Canonical losses ``(popsize, N)``; arguments as for ``ClasswiseNetwork.losses``.

        Raises:
            ValueError: if the predictions have another class count.
        """
        form = form or self.form(params, log_probs.shape[1])
        raw = self.mlp.value(self.mlp.layers(params), self.inputs(log_probs, target))
        return form.scale * (raw - form.at_certain[:, target])

    def label_costs(
        self,
        params: Tensor,
        log_probs: Tensor,
        target: Tensor,
        form: ConcatForm | None = None,
        context: Context = None,
    ) -> Tensor:
        """One candidate's canonical costs of labels ``(N,)``; see :class:`LossNetwork`."""
        del context
        return self.losses(params[None], log_probs, target, form)[0]

    def class_costs(
        self,
        params: Tensor,
        log_probs: Tensor,
        form: ConcatForm | None = None,
        context: Context = None,
    ) -> Tensor:
        r"""One candidate's :math:`L(p, k)` for every k, ``(N, C)``, from ``params (n_params,)``; O(C^2)."""
        del context
        n, n_classes = log_probs.shape
        self.check_classes(n_classes)
        labels = torch.arange(n_classes, device=log_probs.device).repeat(n)
        repeated = log_probs.repeat_interleave(n_classes, dim=0)
        return self.losses(params[None], repeated, labels, form).reshape(n, n_classes)
