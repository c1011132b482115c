"""A multi-layer perceptron for a whole population: one flat row of parameters a candidate, no loops."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.errors import ConfigError, UnknownNameError

# Activation and derivative. Both are smooth, so that a loss made of them can be differentiated twice, and
# softplus and silu do not saturate on both sides: a loss of log p must keep a slope as p goes to 0.
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "softplus": (F.softplus, torch.sigmoid),
    "silu": (F.silu, lambda z: torch.sigmoid(z) * (1 + z * (1 - torch.sigmoid(z)))),
    "tanh": (torch.tanh, lambda z: 1 - torch.tanh(z) ** 2),
}

# What a description from a stranger may ask for, far above what is worth searching for. A loss at these
# bounds takes up to 8 s and 320 MB for its first call at a class count, on one core of a busy machine;
# hidden=(8, 8) takes 0.04 s. Command: python -m benchmarks.robustness.first_call
MAX_LAYERS, MAX_WIDTH, MAX_WEIGHTS = 16, 1024, 1 << 18

Layers = list[tuple[Tensor, Tensor]]  # weights (popsize, fan_in, fan_out) and biases (popsize, 1, fan_out)


@dataclass(frozen=True)
class PopulationMLP:
    """A multi-layer perceptron with one output and no output bias.

    The output bias is left out because every loss is made canonical, which removes any offset. The flat
    parameter vector holds, layer by layer, the weights ``(fan_in, fan_out)`` row by row, then the biases.

    Attributes:
        n_inputs: number of features.
        hidden: widths of the hidden layers, up to ``MAX_LAYERS`` of 1 to ``MAX_WIDTH`` units, together with
            up to ``MAX_WEIGHTS`` weights; without any the output is linear in the features.
        activation: a name of ``ACTIVATIONS``.

    Raises:
        ConfigError: if the number of layers, of weights or a width is out of range.
        UnknownNameError: if the activation is not known.

    Example:
        >>> mlp = PopulationMLP(n_inputs=3, hidden=(8,), activation="silu")
        >>> params = torch.randn(5, mlp.n_params, generator=torch.Generator().manual_seed(0))
        >>> mlp.value(mlp.layers(params), torch.zeros(7, 3)).shape
        torch.Size([5, 7])
    """

    n_inputs: int
    hidden: tuple[int, ...]
    activation: str

    def __post_init__(self) -> None:
        if self.hidden and min(self.hidden) < 1:
            raise ConfigError(f"hidden must name layers of width 1 or more, got {_first_few(self.hidden)}")
        if len(self.hidden) > MAX_LAYERS or max(self.hidden, default=1) > MAX_WIDTH:
            raise ConfigError(
                f"hidden may name up to {MAX_LAYERS} layers of width {MAX_WIDTH}, "
                f"got {_first_few(self.hidden)}"
            )
        n_weights = sum(fan_in * fan_out for fan_in, fan_out in self.shapes)
        if n_weights > MAX_WEIGHTS:
            raise ConfigError(
                f"a loss network may have up to {MAX_WEIGHTS} weights, got {n_weights} with {self.n_inputs} "
                f"inputs and hidden={self.hidden}; use fewer or narrower layers"
            )
        if self.activation not in ACTIVATIONS:
            raise UnknownNameError.among("activation", self.activation, ACTIVATIONS)

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """``(fan_in, fan_out)`` of every layer."""
        widths = (self.n_inputs, *self.hidden, 1)
        return tuple(itertools.pairwise(widths))

    @property
    def n_params(self) -> int:
        """Length of the flat parameter vector."""
        return sum(fan_in * fan_out + fan_out for fan_in, fan_out in self.shapes) - 1

    def initial(self, generator: torch.Generator) -> Tensor:
        """Normal weights of variance ``1 / fan_in`` and zero biases, float32, shape ``(n_params,)``."""
        layers: list[Tensor] = []
        for fan_in, fan_out in self.shapes:
            layers.append(
                torch.randn(fan_in * fan_out, generator=generator, dtype=torch.float32) / math.sqrt(fan_in)
            )
            layers.append(torch.zeros(fan_out, dtype=torch.float32))
        return torch.cat(layers)[: self.n_params]

    def layers(self, params: Tensor) -> Layers:
        """Split ``(popsize, n_params)`` into weights ``(popsize, fan_in, fan_out)`` and biases."""
        layers: Layers = []
        at = 0
        for fan_in, fan_out in self.shapes:
            weight = params[:, at : at + fan_in * fan_out].reshape(-1, fan_in, fan_out)
            at += fan_in * fan_out
            layers.append((weight, params[:, None, at : at + fan_out]))  # the output layer's bias is empty
            at += fan_out
        return layers

    def value(self, layers: Layers, inputs: Tensor) -> Tensor:
        """Outputs ``(popsize, M)`` at inputs ``(M, n_inputs)`` that all candidates share."""
        activate, _ = ACTIVATIONS[self.activation]
        hidden = inputs.expand(len(layers[0][0]), *inputs.shape)
        for weight, bias in layers[:-1]:
            hidden = activate(torch.baddbmm(bias, hidden, weight))
        return _output(layers, hidden)

    def value_and_derivative(self, layers: Layers, inputs: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs and their directional derivatives, both ``(popsize, M)``, by forward differentiation.

        Args:
            layers: from :meth:`layers`.
            inputs: shape ``(M, n_inputs)``.
            tangents: the derivative of each input along the direction, shape ``(M, n_inputs)``.
        """
        activate, slope = ACTIVATIONS[self.activation]
        m = len(inputs)
        # Values above, derivatives below: one product serves both, and what tiny products cost is the call.
        both = torch.cat([inputs, tangents]).expand(len(layers[0][0]), 2 * m, -1)
        for weight, bias in layers[:-1]:
            product = torch.bmm(both, weight)
            pre = product[:, :m] + bias
            both = torch.cat([activate(pre), slope(pre) * product[:, m:]], dim=1)
        values, derivatives = torch.split(_output(layers, both), m, dim=1)
        return values, derivatives


def _first_few(hidden: tuple[int, ...]) -> str:
    return str(hidden) if len(hidden) <= MAX_LAYERS else f"{len(hidden)} layers"


def times_factors(
    values: Tensor, slopes: Tensor, factors: Sequence[Tensor | None], factor_slopes: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Values and slopes of a product with factors, piece by piece; None is 1."""
    if any(known is None for known in factors):
        return values, slopes
    factor = torch.cat([known for known in factors if known is not None])
    return values * factor, slopes * factor + values * torch.cat([*factor_slopes])


def require_hidden(hidden: tuple[int, ...]) -> None:
    """Raise ConfigError where a network that needs hidden layers has none."""
    if not hidden or min(hidden) < 1:
        raise ConfigError(f"hidden must name at least one layer of width 1 or more, got {tuple(hidden)}")


def _output(layers: Layers, hidden: Tensor) -> Tensor:
    """The last layer, ``(popsize, M)``; a row times a matrix, three times as fast as the reverse."""
    return torch.bmm(layers[-1][0].mT, hidden.mT).squeeze(1)
