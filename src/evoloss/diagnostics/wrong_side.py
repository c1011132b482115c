"""The gradient as p_y goes to 0: does a confident mistake still pull?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

from evoloss.diagnostics.criterion import LossFunction, label_gradients
from evoloss.diagnostics.curves import predictions_on_curve

Verdict = Literal["persists", "vanishes", "explodes", "reversed"]

PROBES: tuple[float, ...] = (1e-2, 1e-4, 1e-8)
"""The label's probabilities at which the gradient is read."""

# A gradient that goes like p^0.1 still has a sixth of its size at 1e-8; that counts as staying.
_FLAT_EXPONENT = 0.1


@dataclass(frozen=True)
class WrongSide:
    """Slopes of the loss at small p_y, the rest of the mass spread over the other classes.

    Attributes:
        p: the label's probabilities.
        slope_in_log_p: ``dL / d log p_y`` at each; -1 for cross-entropy, and going to 0 with p_y wherever the
            slope in p is bounded.
        slope_in_p: ``dL / d p_y`` at each.
        gradient: ``-dL/dz_y`` at each, what training feels.
        exponent: a, if the gradient goes like ``p_y ** a`` between the last two probes; 0 for
            cross-entropy, q for generalised cross-entropy, 1 for mean absolute error; NaN where the gradient
            is not positive.
        verdict: ``persists`` (the gradient stays), ``vanishes`` (a bounded slope in p: hard or deep
            problems are underfitted), ``explodes`` (grows without bound, or is not a number), ``reversed``
            (points away).
    """

    p: tuple[float, ...]
    slope_in_log_p: tuple[float, ...]
    slope_in_p: tuple[float, ...]
    gradient: tuple[float, ...]
    exponent: float
    verdict: Verdict


def measure_wrong_side(criterion: LossFunction, *, n_classes: int) -> WrongSide:
    """Read the slopes of the loss at p_y = 1e-2, 1e-4 and 1e-8.

    Args:
        criterion: ``(logits (N, C), target (N,)) -> (N,)``.
        n_classes: class count of the predictions, at least 2.

    Raises:
        NotApplicableError: if the loss does not take this class count.
    """
    p = torch.tensor(PROBES, dtype=torch.float64)
    log_probs = predictions_on_curve(torch.logit(p), n_classes, "uniform")
    _, gradients = label_gradients(criterion, log_probs, torch.zeros(len(p), dtype=torch.int64))
    # Along the curve the other log-probabilities move by -p / (1 - p) as log p moves by 1.
    slope = gradients[:, 0] - p / (1 - p) * gradients[:, 1:].sum(dim=1)
    pull = -gradients[:, 0]
    exponent = _exponent(pull)
    return WrongSide(
        p=PROBES,
        slope_in_log_p=tuple(slope.tolist()),
        slope_in_p=tuple((slope / p).tolist()),
        gradient=tuple(pull.tolist()),
        exponent=exponent,
        verdict=_verdict(float(pull[-1]), exponent),
    )


def _exponent(pull: torch.Tensor) -> float:
    before, after = pull[-2:].tolist()
    if not (before > 0.0 and after > 0.0):
        return math.nan
    return math.log(after / before) / math.log(PROBES[-1] / PROBES[-2])


def _verdict(pull: float, exponent: float) -> Verdict:
    if pull < 0.0:
        return "reversed"
    if pull == 0.0 or exponent > _FLAT_EXPONENT:
        return "vanishes"
    if not math.isfinite(pull) or exponent < -_FLAT_EXPONENT:
        return "explodes"
    return "persists"
