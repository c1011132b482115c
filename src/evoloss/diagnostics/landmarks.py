"""A few fixed points of a loss: the perfect prediction, the uniform one, and the lowest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from evoloss.diagnostics.criterion import LossFunction, NotApplicable, NotApplicableError, label_gradients
from evoloss.diagnostics.curves import Curve

UNIFORM_CLASS_COUNTS: tuple[int, ...] = (2, 10, 100, 1000)
"""Class counts at which the gradient at the uniform prediction is read."""

# Below this share of the curve's range two losses count as the same: a loss that is flat near p_y = 1 has
# its minimum at a perfect prediction although rounding may put another point lower.
_SAME = 1e-9


@dataclass(frozen=True)
class Landmarks:
    """The minimum of the loss, and its values and gradients at known predictions.

    Attributes:
        loss_at_perfect: at ``p_y = 1 - 1e-8``, the rest spread over the other classes.
        loss_at_uniform: at the uniform prediction.
        lowest_at: the label's probability at the lowest point of the curve.
        perfect_is_lowest: whether no point of the curve lies below the perfect prediction.
        gradient_at_uniform: ``-dL/dz_y`` at the uniform prediction over cross-entropy's ``1 - 1/C``, by C.
    """

    loss_at_perfect: float
    loss_at_uniform: float
    lowest_at: float
    perfect_is_lowest: bool
    gradient_at_uniform: dict[int, float | NotApplicable]


def measure_landmarks(criterion: LossFunction, curve: Curve) -> Landmarks:
    """Read the landmarks of ``criterion``, the lowest point from a curve of it with the rest uniform.

    Raises:
        NotApplicableError: if the loss does not take the class count of the curve, or is nowhere finite.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> criterion = LOSSES["brier"](reduction="none")
        >>> measure_landmarks(criterion, loss_curve(criterion, n_classes=10)).perfect_is_lowest
        True
    """
    finite = [loss for loss in curve.loss if math.isfinite(loss)]
    if not finite:
        raise NotApplicableError("the loss is finite nowhere between p_y = 1e-8 and 1 - 1e-8")
    lowest = min(finite)
    perfect = curve.loss[-1]
    is_lowest = perfect - lowest <= _SAME * (max(finite) - lowest)
    at_uniform, _ = label_gradients(
        criterion, torch.zeros(1, curve.n_classes, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)
    )
    return Landmarks(
        loss_at_perfect=perfect,
        loss_at_uniform=float(at_uniform),
        lowest_at=curve.p[-1] if is_lowest else curve.p[curve.loss.index(lowest)],
        perfect_is_lowest=is_lowest,
        gradient_at_uniform={c: _gradient_or_reason(criterion, c) for c in UNIFORM_CLASS_COUNTS},
    )


def gradient_at_uniform(criterion: LossFunction, n_classes: int) -> float:
    """Return ``-dL/dz_y`` at the uniform prediction over cross-entropy's ``1 - 1/C``; 1 in canonical form.

    Raises:
        NotApplicableError: if the loss does not take this class count.

    Example:
        >>> from evoloss import EvolvedLoss
        >>> f'{gradient_at_uniform(EvolvedLoss("evolved-base", reduction="none"), 100):.3f}'
        '1.000'
    """
    _, gradient = label_gradients(
        criterion, torch.zeros(1, n_classes, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)
    )
    return float(-gradient[0, 0]) / (1 - 1 / n_classes)


def _gradient_or_reason(criterion: LossFunction, n_classes: int) -> float | NotApplicable:
    try:
        return gradient_at_uniform(criterion, n_classes)
    except NotApplicableError as error:
        return NotApplicable(str(error))
