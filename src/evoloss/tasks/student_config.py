"""Students and their training: the settings that all candidates and tasks share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from evoloss.errors import ConfigError, UnknownNameError

ActivationName = Literal["relu", "tanh", "silu", "gelu"]
Normalisation = Literal["none", "layer"]
Optimizer = Literal["sgd", "adam"]

MAX_HIDDEN = 4


@dataclass(frozen=True, kw_only=True)
class StudentConfig:
    """A multi-layer perceptron, or a small convolutional network, and its optimiser.

    Attributes:
        hidden: widths of the hidden layers, from 1 to ``MAX_HIDDEN`` of them.
        patches: parts of equal size that an input is made of. The first hidden layer looks at each with the
            same weights, as a convolution does, and the next layer sees the sum over the parts divided by
            the root of their number. Feature f of part j stands at ``f * patches + j``. With 1 the first
            layer is one as any other.
        activation: ``"relu"``, ``"tanh"``, ``"silu"`` or ``"gelu"`` (the exact one).
        norm: ``"layer"`` normalises each hidden layer before its activation, as ``nn.LayerNorm`` without
            affine parameters does; ``"none"`` does not.
        optimizer: ``"sgd"`` or ``"adam"``, as in ``torch.optim``.
        momentum: of SGD, in [0, 1).
        nesterov: of SGD; needs momentum.
        betas: of Adam, both in [0, 1).
        eps: of Adam, above 0.
        weight_decay: at least 0; added to the gradient, for biases too, as both optimisers of PyTorch do.
        clip: the largest norm of a student's gradient over all its parameters, as with
            ``torch.nn.utils.clip_grad_norm_``; None for no limit.

    Raises:
        ConfigError: if a value is out of range, or nesterov is asked for without momentum or for Adam.
        UnknownNameError: if the activation, the normalisation or the optimiser is not known.

    Example:
        >>> StudentConfig(hidden=(64,), optimizer="adam", weight_decay=1e-4).activation
        'relu'
    """

    hidden: tuple[int, ...] = (32, 32)
    patches: int = 1
    activation: ActivationName = "relu"
    norm: Normalisation = "none"
    optimizer: Optimizer = "sgd"
    momentum: float = 0.9
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip: float | None = 5.0

    def __post_init__(self) -> None:
        for kind, name, known in (
            ("activation of students", self.activation, get_args(ActivationName)),
            ("normalisation of students", self.norm, get_args(Normalisation)),
            ("optimizer of students", self.optimizer, get_args(Optimizer)),
        ):
            if name not in known:
                raise UnknownNameError.among(kind, name, known)
        if not 1 <= len(self.hidden) <= MAX_HIDDEN or min(self.hidden) < 1:
            raise ConfigError(
                f"hidden must name 1 to {MAX_HIDDEN} layers of width 1 or more, got {self.hidden}"
            )
        if self.patches < 1:
            raise ConfigError(f"patches must be at least 1, got {self.patches}")
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"momentum must be at least 0 and below 1, got {self.momentum}")
        if not (len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas)):
            raise ConfigError(f"betas must be two numbers of at least 0 and below 1, got {self.betas}")
        if not 0 < self.eps < math.inf:
            raise ConfigError(f"eps must be above 0 and finite, got {self.eps}")
        if not 0 <= self.weight_decay < math.inf:
            raise ConfigError(f"weight_decay must be at least 0 and finite, got {self.weight_decay}")
        if self.clip is not None and not 0 < self.clip < math.inf:
            raise ConfigError(f"clip must be above 0 and finite, or None for no limit, got {self.clip}")
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise ConfigError("nesterov needs optimizer 'sgd' and a momentum above 0; set nesterov=False")

    def widths(self, features: int, n_classes: int) -> tuple[int, ...]:
        """Widths of what each layer reads and the last one gives, for inputs of so many features in all."""
        return (features // self.patches, *self.hidden, n_classes)
