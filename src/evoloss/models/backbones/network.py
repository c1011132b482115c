"""A network of another library as a classifier: its inputs, its logits, and what of it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from evoloss.errors import ConfigError


class Backbone(nn.Module):
    """A network and the part of it that is the head.

    Frozen, the body is in evaluation mode whatever ``train`` says, so that running statistics of batch norm
    stay and dropout draws nothing, and its parameters ask for no gradient.

    Args:
        network: from images to logits, or to an output with an attribute ``logits``.
        head: modules of ``network`` that are trained in any case.
        channels: that the network takes; grey images are repeated to that number, None leaves all as it is.
        frozen: train the head alone.

    Shape:
        input ``(N, C, H, W)`` with C 1 or ``channels``, output (logits) ``(N, n_classes)``.

    Raises:
        ConfigError: if it is to be frozen and the head has no parameters.

    Example:
        >>> import torch
        >>> body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
        >>> model = Backbone(body, head=[body[3]], channels=3, frozen=True).train()
        >>> body[1].training, body[3].training, model(torch.zeros(5, 1, 8, 8)).shape
        (False, True, torch.Size([5, 2]))
    """

    def __init__(
        self, network: nn.Module, *, head: Sequence[nn.Module], channels: int | None, frozen: bool
    ) -> None:
        super().__init__()
        self.network, self.channels, self.frozen = network, channels, frozen
        places = {id(module): place for place, module in network.named_modules()}
        self._head = tuple(places[id(module)] for module in head)
        if not frozen:
            return
        trained = {id(parameter) for module in head for parameter in module.parameters()}
        if not trained:
            raise ConfigError(
                f"{type(network).__name__} has no head of its own, so that nothing would be trained; use "
                "--backbone finetuned"
            )
        for parameter in network.parameters():
            parameter.requires_grad_(id(parameter) in trained)

    def train(self, mode: bool = True) -> Backbone:
        """Set the mode, of the head alone where the body is frozen."""
        super().train(mode)
        if self.frozen and mode:
            self.network.eval()
            for place in self._head:
                self.network.get_submodule(place).train()
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits."""
        if self.channels is not None and inputs.shape[1] == 1 < self.channels:
            inputs = inputs.expand(-1, self.channels, -1, -1)
        output: Any = self.network(inputs)
        # Networks with auxiliary heads, and those of transformers, return more than logits.
        logits: Tensor = output if isinstance(output, Tensor) else output.logits
        return logits
