"""The gradient as p_y goes to 0: does a confident mistake still pull?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

from evoloss.diagnostics.criterion import LossFunction, label_gradients
from evoloss.diagnostics.curves import predictions_on_curve
from evoloss.diagnostics.landmarks import gradient_at_uniform

Verdict = Literal["persists", "vanishes", "explodes", "reversed"]

PROBES: tuple[float, ...] = (1e-2, 1e-4, 1e-8)
"""The label's probabilities at which the gradient is read."""

# What matters to training is the pull of a confident mistake beside the pull at the start: under plain
# descent, losses that keep a tenth of it bring every free prediction to its label, others leave some stuck.
_FACTOR = 10.0
# A gradient at uniform below this is rounding.
_NO_PULL = 1e-12


@dataclass(frozen=True)
class WrongSide:
    """Slopes of the loss at small p_y, the rest of the mass spread over the other classes.

    Attributes:
        p: the label's probabilities.
        slope_in_log_p: ``dL / d log p_y`` at each; -1 for cross-entropy, and going to 0 with p_y wherever the
            slope in p is bounded.
        slope_in_p: ``dL / d p_y`` at each.
        gradient: ``-dL/dz_y`` at each, what training feels.
        relative: the last gradient over the one at the uniform prediction; ``C / (C - 1)`` for
            cross-entropy, NaN where the one at uniform is not positive.
        exponent: a, if the gradient goes like ``p_y ** a`` between the last two probes; 0 for
            cross-entropy, q for generalised cross-entropy, 1 for mean absolute error; NaN where the gradient
            is not positive.
        verdict: ``persists``; ``vanishes`` where the last gradient is below a tenth of the one at uniform, as
            it is with a bounded slope in p (hard or deep problems are underfitted); ``explodes`` where it is
            above ten times that, or not a number; ``reversed`` where it points away.
    """

    p: tuple[float, ...]
    slope_in_log_p: tuple[float, ...]
    slope_in_p: tuple[float, ...]
    gradient: tuple[float, ...]
    relative: float
    exponent: float
    verdict: Verdict


def measure_wrong_side(criterion: LossFunction, *, n_classes: int) -> WrongSide:
    """Read the slopes of the loss at p_y = 1e-2, 1e-4 and 1e-8.

    Args:
        criterion: ``(logits (N, C), target (N,)) -> (N,)``.
        n_classes: class count of the predictions, at least 2.

    Raises:
        NotApplicableError: if the loss does not take this class count.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> found = measure_wrong_side(LOSSES["gce"](q=0.7, reduction="none"), n_classes=10)
        >>> found.verdict, f"{found.exponent:.2f}"
        ('vanishes', '0.70')
    """
    p = torch.tensor(PROBES, dtype=torch.float64)
    log_probs = predictions_on_curve(torch.logit(p), n_classes, "uniform")
    _, gradients = label_gradients(criterion, log_probs, torch.zeros(len(p), dtype=torch.int64))
    # Along the curve the other log-probabilities move by -p / (1 - p) as log p moves by 1.
    slope = gradients[:, 0] - p / (1 - p) * gradients[:, 1:].sum(dim=1)
    pull = -gradients[:, 0]
    start = gradient_at_uniform(criterion, n_classes) * (1 - 1 / n_classes)
    relative = float(pull[-1]) / start if start > _NO_PULL else math.nan
    exponent = _exponent(pull)
    return WrongSide(
        p=PROBES,
        slope_in_log_p=tuple(slope.tolist()),
        slope_in_p=tuple((slope / p).tolist()),
        gradient=tuple(pull.tolist()),
        relative=relative,
        exponent=exponent,
        verdict=_verdict(float(pull[-1]), relative, exponent),
    )


def _exponent(pull: torch.Tensor) -> float:
    before, after = pull[-2:].tolist()
    if not (before > 0.0 and after > 0.0):
        return math.nan
    return math.log(after / before) / math.log(PROBES[-1] / PROBES[-2])


def _verdict(pull: float, relative: float, exponent: float) -> Verdict:
    if pull < 0.0:
        return "reversed"
    if pull == 0.0:
        return "vanishes"
    if not math.isfinite(pull):
        return "explodes"
    if math.isnan(relative):
        # No pull at uniform to compare with: judge by how the pull goes from 1e-4 to 1e-8.
        relative = (PROBES[-1] / PROBES[-2]) ** exponent
    if relative < 1 / _FACTOR:
        return "vanishes"
    return "explodes" if relative > _FACTOR else "persists"
