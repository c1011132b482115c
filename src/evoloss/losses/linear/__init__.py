"""A linear layer and its loss without the logits of all rows, for large numbers of classes."""

from evoloss.losses.linear.fused import fused_linear_loss
from evoloss.losses.linear.module import LinearEvolvedLoss

__all__ = ["LinearEvolvedLoss", "fused_linear_loss"]
