"""The objective that a library of boosted trees has itself, as a loss to compare with."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class LibraryObjective(nn.Module):
    """The multi-class objective of XGBoost or LightGBM: cross-entropy with its exact second derivative.

    It is ``multi:softprob`` and ``multiclass``, with two classes ``binary:logistic`` and ``binary``. Trees
    begin at the shares of the classes where the library lets them. Called as a loss it is cross-entropy.

    Args:
        library: ``xgboost`` or ``lightgbm``.
    """

    weight: Tensor | None

    def __init__(self, library: str) -> None:
        super().__init__()
        self.library = library
        self.register_buffer("weight", None)

    def extra_repr(self) -> str:
        """The library, which is part of what the loss is."""
        return self.library

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean cross-entropy of logits ``(N, C)`` and class indices ``(N,)``."""
        return F.cross_entropy(logits, target, weight=self.weight)
