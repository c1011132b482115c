"""A linear layer with its loss as a module."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from evoloss.losses.call.numbers import positive_count
from evoloss.losses.linear.fused import fusable_loss, fused_linear_loss
from evoloss.losses.resolve import make_loss

__all__ = ["LinearEvolvedLoss"]


class LinearEvolvedLoss(nn.Module):
    """The last linear layer of a classifier and its loss, as ``nn.LinearCrossEntropyLoss`` has them.

    The logits of all rows are never made; see :func:`~evoloss.fused_linear_loss`.

    Args:
        in_features: F, size of an input row.
        num_classes: C, such as the size of a vocabulary.
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss, that keeps no running statistics.
        bias: whether the layer has a bias.
        device: of the layer.
        dtype: of the layer.
        chunk_rows: rows whose logits are made at once; see there.
        **parameters: of a loss that is named, and ``weight``, ``ignore_index``, ``reduction`` and
            ``label_smoothing``.

    Attributes:
        linear: the layer; ``linear.weight`` may be set to that of an embedding.
        loss: the loss.

    Shape:
        - input: ``(..., F)``.
        - target: class indices, ``(...)``.
        - output: a scalar, or ``(...)`` for ``reduction="none"``.

    Raises:
        ConfigError: if the loss cannot be taken in chunks, or a number is below 1.
        UnknownNameError: if there is no such loss.

    Example:
        >>> criterion = LinearEvolvedLoss(4, 1000, "gce", q=0.5)
        >>> criterion(torch.ones(2, 3, 4), torch.zeros(2, 3, dtype=torch.int64)).shape
        torch.Size([])
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        loss: str | nn.Module = "evolved-base",
        *,
        bias: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        chunk_rows: int | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__()
        of = "LinearEvolvedLoss"
        in_features = positive_count("in_features", in_features, of)
        num_classes = positive_count("num_classes", num_classes, of)
        self.chunk_rows = None if chunk_rows is None else positive_count("chunk_rows", chunk_rows, of)
        if not isinstance(loss, str) and parameters:
            raise TypeError(f"the loss is made already; give {', '.join(parameters)} to it")
        self.loss = fusable_loss(make_loss(loss, **parameters) if isinstance(loss, str) else loss)
        self.linear = nn.Linear(in_features, num_classes, bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Cost of predicting ``target`` from ``input``; see the class for shapes."""
        return fused_linear_loss(
            input,
            self.linear.weight,
            target,
            self.loss,
            linear_bias=self.linear.bias,
            chunk_rows=self.chunk_rows,
        )

    def extra_repr(self) -> str:
        """Say how many rows are a chunk, if that was said."""
        return "" if self.chunk_rows is None else f"chunk_rows={self.chunk_rows}"
