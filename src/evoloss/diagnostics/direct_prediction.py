"""The direct-prediction test: free predictions, optimised under the loss, must reach their labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from evoloss.diagnostics.criterion import LossFunction, label_gradients
from evoloss.diagnostics.landmarks import gradient_at_uniform
from evoloss.diagnostics.predictions import random_logits, random_targets

START_SCALES: tuple[float, ...] = (0.1, 1.0, 5.0)
"""Standard deviations of the starting logits: undecided, mildly wrong, confident and wrong."""


@dataclass(frozen=True)
class DirectPrediction:
    """Shares of free predictions that reach their labels.

    Attributes:
        adam: share under Adam, which makes up for small gradients.
        gradient_descent: share under plain gradient descent, which does not.
        gradient_descent_by_start: the same for each of ``START_SCALES``.
        n_predictions: predictions a start.
    """

    adam: float
    gradient_descent: float
    gradient_descent_by_start: tuple[float, ...]
    n_predictions: int


def measure_direct_prediction(
    criterion: LossFunction,
    *,
    n_classes: int,
    generator: torch.Generator,
    n_predictions: int = 100,
    steps: int = 200,
) -> DirectPrediction:
    """Optimise predictions without a model and count those whose argmax ends at the label.

    Plain gradient descent runs at the learning rate that gives cross-entropy's step (rate 1) at the uniform
    prediction, so that the scale of a loss does not decide; where the gradient there does not point to
    the label, at rate 1.

    Args:
        criterion: ``(logits (N, C), target (N,)) -> (N,)``.
        n_classes: class count, at least 2.
        generator: the only source of randomness.
        n_predictions: free predictions a start.
        steps: optimisation steps.

    Raises:
        NotApplicableError: if the loss does not take this class count.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> generator = torch.Generator().manual_seed(0)
        >>> criterion = LOSSES["cross_entropy"](reduction="none")
        >>> measure_direct_prediction(criterion, n_classes=3, generator=generator, n_predictions=20).adam
        1.0
    """
    target = random_targets(n_predictions, n_classes, generator).repeat(len(START_SCALES))
    starts = torch.cat([random_logits(n_predictions, n_classes, scale, generator) for scale in START_SCALES])
    relative = gradient_at_uniform(criterion, n_classes)
    rate = 1.0 / relative if relative > 0 else 1.0

    def descend(parameters: list[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=rate)

    def adam(parameters: list[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=0.2, eps=1e-14)

    by_start = _reached(criterion, starts, target, descend, steps).view(len(START_SCALES), -1).mean(dim=1)
    return DirectPrediction(
        adam=float(_reached(criterion, starts, target, adam, steps).mean()),
        gradient_descent=float(by_start.mean()),
        gradient_descent_by_start=tuple(by_start.tolist()),
        n_predictions=n_predictions,
    )


def _reached(
    criterion: LossFunction,
    starts: Tensor,
    target: Tensor,
    optimiser: Callable[[list[Tensor]], torch.optim.Optimizer],
    steps: int,
) -> Tensor:
    """Return 1.0 for each prediction that is finite and has its argmax at the label, else 0.0."""
    logits = starts.clone()
    stepper = optimiser([logits])
    for _ in range(steps):
        _, logits.grad = label_gradients(criterion, logits, target)
        stepper.step()
    return ((logits.argmax(dim=1) == target) & logits.isfinite().all(dim=1)).double()
