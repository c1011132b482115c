"""The mean of a loss over a data set, as a metric of torchmetrics."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.integrations.divisor import sum_of_weights
from evoloss.losses.resolve import make_loss

try:
    from torchmetrics import Metric
except ImportError as error:
    raise MissingExtraError.of("torchmetrics", "torchmetrics", "LossMetric", error) from error

_REDUCTIONS = ("mean", "sum", "none")


class LossMetric(Metric):
    r"""The mean of a loss over all samples that were seen, :math:`\sum_i w_{y_i} L_i / \sum_i w_{y_i}`.

    What the loss gives for all batches as one, however they are cut and shared between processes: with class
    weights the divisor is the sum of the weights of all labels, labels to ignore do not count, and of
    distributions the divisor is their number. The cost of a prediction by a loss that depends on the rest of
    its batch is that within its batch.

    Nothing is learned from what it sees: the statistics of a loss that follows its training stay as they are.

    Args:
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss, of any ``reduction``. A loss that is
            given is not copied, so that one that follows its training costs what it costs there, and it is
            no part of the metric's state dict; a ``clone()`` of the metric has a copy. It has to be on the
            device of the predictions.
        **kwargs: those of ``torchmetrics.Metric``.

    Shape:
        ``update(preds, target)`` takes logits ``(N, C)`` or ``(N, C, d1, ...)`` and class indices or
        probabilities; ``compute()`` gives a scalar, float32, NaN if no label counted.

    Raises:
        ConfigError: if the loss has no ``reduction``.
        UnknownNameError: if there is no loss of a name.

    Example:
        >>> metric = LossMetric("cross_entropy")
        >>> metric.update(torch.zeros(3, 4), torch.tensor([0, 3, -100]))
        >>> print(metric.compute())
        tensor(1.3863)
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    total: Tensor
    divisor: Tensor

    def __init__(self, loss: str | nn.Module, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        criterion = make_loss(loss) if isinstance(loss, str) else loss
        if not isinstance(criterion, nn.Module) or getattr(criterion, "reduction", None) not in _REDUCTIONS:
            raise ConfigError(
                f"the loss is a {type(criterion).__name__} without a reduction; expected a name, or an "
                f"nn.Module whose attribute reduction is one of {', '.join(_REDUCTIONS)}"
            )
        self._criterion = (criterion,)  # in a tuple, so that it is no submodule
        for name in ("total", "divisor"):
            self.add_state(name, torch.zeros((), dtype=torch.float32), dist_reduce_fx="sum")

    @property
    def criterion(self) -> nn.Module:
        """The loss."""
        return self._criterion[0]

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Take a batch in.

        Args:
            preds: logits.
            target: class indices or probabilities.

        Raises:
            Exception: what the loss raises for shapes that do not fit.
        """
        with torch.no_grad():
            cost = self.criterion(preds, target)
            divisor = sum_of_weights(
                target if target.shape != preds.shape else target.movedim(1, -1),
                getattr(self.criterion, "weight", None),
                getattr(self.criterion, "ignore_index", -100),
            )
            if self.criterion.reduction == "mean":
                # A mean over nothing is NaN, and 0 of the whole.
                cost = torch.where(divisor == 0, 0.0, cost * divisor)
            self.total += cost.sum()
            self.divisor += divisor

    def compute(self) -> Tensor:
        """The mean so far."""
        return self.total / self.divisor
