"""Direction of a step down the gradient: toward the label, and beside cross-entropy's step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.diagnostics.criterion import LossFunction, label_gradients
from evoloss.diagnostics.predictions import LOGIT_SCALES, random_logits, random_targets

# Predictions that give all but this much to the label are left out: both gradients are rounding there.
_ALREADY_RIGHT = 1e-9


@dataclass(frozen=True)
class DirectionAt:
    """Directions over random predictions of one certainty.

    Attributes:
        logit_scale: standard deviation of the logits behind the predictions.
        toward_label: share with ``dL/dz_y < 0``: a step down raises the label's logit.
        with_cross_entropy: share whose gradient has a positive inner product with cross-entropy's, so that a
            small step down also lowers cross-entropy.
        mean_cosine: mean cosine with cross-entropy's gradient; 1 is the same direction, a zero gradient
            counts 0.
    """

    logit_scale: float
    toward_label: float
    with_cross_entropy: float
    mean_cosine: float


@dataclass(frozen=True)
class Direction:
    """Directions over the simplex.

    Attributes:
        by_scale: one entry a certainty, from nearly uniform to nearly certain.
        toward_label: mean over them.
        with_cross_entropy: mean over them.
        mean_cosine: mean over them.
    """

    by_scale: tuple[DirectionAt, ...]
    toward_label: float
    with_cross_entropy: float
    mean_cosine: float


def measure_direction(
    criterion: LossFunction, *, n_classes: int, generator: torch.Generator, n_predictions: int = 1024
) -> Direction:
    """Compare the gradient in the logits with the label's direction and with cross-entropy's gradient.

    Args:
        criterion: ``(logits (N, C), target (N,)) -> (N,)``.
        n_classes: class count of the predictions, at least 2.
        generator: the only source of randomness.
        n_predictions: random predictions in all, shared evenly among ``LOGIT_SCALES``.

    Raises:
        NotApplicableError: if the loss does not take this class count.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> generator = torch.Generator().manual_seed(0)
        >>> criterion = LOSSES["cross_entropy"](reduction="none")
        >>> f"{measure_direction(criterion, n_classes=10, generator=generator).mean_cosine:.3f}"
        '1.000'
    """
    n_per_scale = max(1, n_predictions // len(LOGIT_SCALES))
    rows = tuple(_direction_at(criterion, scale, n_per_scale, n_classes, generator) for scale in LOGIT_SCALES)
    return Direction(
        by_scale=rows,
        toward_label=sum(row.toward_label for row in rows) / len(rows),
        with_cross_entropy=sum(row.with_cross_entropy for row in rows) / len(rows),
        mean_cosine=sum(row.mean_cosine for row in rows) / len(rows),
    )


def _direction_at(
    criterion: LossFunction, scale: float, n: int, n_classes: int, generator: torch.Generator
) -> DirectionAt:
    logits, target = random_logits(n, n_classes, scale, generator), random_targets(n, n_classes, generator)
    rows = torch.arange(n)
    others = logits.scatter(1, target.unsqueeze(1), -torch.inf)
    open_rows = others.logsumexp(dim=1).exp() > _ALREADY_RIGHT
    _, gradients = label_gradients(criterion, logits, target)
    reference = logits.exp()
    reference[rows, target] = -others.logsumexp(dim=1).exp()  # p_y - 1 without cancellation
    cosine = (_unit(gradients) * _unit(reference)).sum(dim=1)[open_rows]
    return DirectionAt(
        logit_scale=scale,
        toward_label=float((gradients[rows, target] < 0)[open_rows].double().mean()),
        with_cross_entropy=float((cosine > 0).double().mean()),
        mean_cosine=float(cosine.mean()),
    )


def _unit(vectors: Tensor) -> Tensor:
    # Divided by the largest entry first: squares of a gradient like 1e-200 would underflow.
    largest = vectors.abs().amax(dim=1, keepdim=True)
    scaled = torch.where(largest > 0, vectors / largest, torch.zeros_like(vectors))
    return F.normalize(scaled, dim=1)
