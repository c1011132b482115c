"""Multilayer perceptron: any input, flattened."""

from __future__ import annotations

import math

from torch import Tensor, nn

HIDDEN = 128


class MLP(nn.Module):
    """Two hidden layers of 128 ReLU units on the flattened input, no normalisation.

    On digits, ``(1, 8, 8)`` and 10 classes, it has 26,122 parameters. Weights start as in He et al. 2015
    (arXiv:1502.01852, normal, fan-in), biases at 0.

    Args:
        input_shape: shape of one input, any number of axes.
        n_classes: number of classes.

    Shape:
        input ``(N, *input_shape)``, output (logits) ``(N, n_classes)``.

    Example:
        >>> MLP(input_shape=(1, 8, 8), n_classes=10)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(self, input_shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(input_shape), HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, n_classes),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.layers(inputs)
        return logits


def mlp(*, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Build :class:`MLP`."""
    return MLP(input_shape, n_classes)
