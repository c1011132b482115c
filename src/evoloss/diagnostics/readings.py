"""Readings: the meaning of a loss's diagnostics, in a line each."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evoloss.diagnostics.calibration import Calibration
from evoloss.diagnostics.class_sum import ClassSum
from evoloss.diagnostics.criterion import NotApplicable
from evoloss.diagnostics.direct_prediction import DirectPrediction
from evoloss.diagnostics.direction import Direction
from evoloss.diagnostics.inspection import Inspection
from evoloss.diagnostics.landmarks import UNIFORM_CLASS_COUNTS, Landmarks
from evoloss.diagnostics.ranking import Ranking
from evoloss.diagnostics.wrong_side import WrongSide

_VERDICTS = {
    "persists": "a confident mistake still pulls",
    "vanishes": "confident mistakes hardly pull, expect underfitting",
    "explodes": "far stronger than at the start, clip gradients",
    "reversed": "a confident mistake is pushed further away",
}

_LANDMARKS = (
    "lowest at p_y",
    "loss at perfect, at uniform",
    f"gradient at uniform / CE's, C = {', '.join(map(str, UNIFORM_CLASS_COUNTS))}",
)
START = _LANDMARKS[2]
"""The diagnostic that speaks of a training's first steps."""
_NEARLY_CONSTANT = 0.05


@dataclass(frozen=True)
class Reading:
    """One diagnostic for the reader.

    Attributes:
        diagnostic: what was measured.
        value: the numbers.
        meaning: what they say about training with the loss.
    """

    diagnostic: str
    value: str
    meaning: str


def readings(inspection: Inspection) -> tuple[Reading, ...]:
    """Return one reading a diagnostic, always the same diagnostics in the same order.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> found = readings(inspect_loss(LOSSES["cross_entropy"](reduction="none"), n_classes=3))
        >>> for reading in found[:3]:
        ...     print(reading.diagnostic)
        ranking consistency (tau, rho)
        spread of the class sum
        -dL/dz_y at p_y = 1e-2, 1e-4, 1e-8
    """
    return (
        _ranking(inspection.ranking),
        _class_sum(inspection.class_sum),
        *_wrong_side(inspection.wrong_side),
        *_direction(inspection.direction),
        _calibration(inspection.calibration),
        _direct_prediction(inspection.direct_prediction),
        *_landmarks(inspection.landmarks),
    )


def _missing(diagnostic: str, reason: NotApplicable) -> Reading:
    return Reading(diagnostic, "-", f"not applicable: {reason.reason}")


def _ranking(result: Ranking | NotApplicable) -> Reading:
    name = "ranking consistency (tau, rho)"
    if isinstance(result, NotApplicable):
        return _missing(name, result)
    value = f"{result.consistency:.4f} ({result.kendall_tau:.3f}, {result.spearman_rho:.3f})"
    if result.consistency >= 0.999:
        return Reading(name, value, "more erroneous predictions cost more")
    wrong = 100 * (1 - result.consistency)
    return Reading(name, value, f"{wrong:.3g} % of couples ordered unlike 1 - p_y")


def _class_sum(result: ClassSum | NotApplicable) -> Reading:
    name = "spread of the class sum"
    if isinstance(result, NotApplicable):
        return _missing(name, result)
    if result.constant:
        return Reading(name, "0", "constant: tolerates uniform label noise")
    if result.spread < _NEARLY_CONSTANT:
        return Reading(name, f"{result.spread:.3g}", "nearly constant: tolerates most uniform label noise")
    return Reading(name, f"{result.spread:.3g}", "not constant: noise tolerance not guaranteed")


def _wrong_side(result: WrongSide | NotApplicable) -> tuple[Reading, Reading]:
    names = ("-dL/dz_y at p_y = 1e-2, 1e-4, 1e-8", "dL/dlog p_y at the same")
    if isinstance(result, NotApplicable):
        return _missing(names[0], result), _missing(names[1], result)
    law = "the pull on the label's logit is not positive"
    if not math.isnan(result.exponent):
        law = f"the pull on the label's logit goes like p_y^{round(result.exponent, 2) + 0.0:.2f}"
    return (
        Reading(names[0], _numbers(result.gradient), f"{result.verdict}: {_VERDICTS[result.verdict]}"),
        Reading(names[1], _numbers(result.slope_in_log_p), law),
    )


def _direction(result: Direction | NotApplicable) -> tuple[Reading, Reading]:
    names = ("steps toward the label", "cosine with cross-entropy")
    if isinstance(result, NotApplicable):
        return _missing(names[0], result), _missing(names[1], result)
    toward = (
        "every step raises the label's logit"
        if result.toward_label == 1.0
        else f"{100 * (1 - result.toward_label):.3g} % of predictions are pushed off their label"
    )
    return (
        Reading(names[0], _percent(result.toward_label), toward),
        Reading(
            names[1],
            f"{result.mean_cosine:.3f}",
            f"{_percent(result.with_cross_entropy)} of steps also lower cross-entropy",
        ),
    )


def _calibration(results: dict[int, Calibration | NotApplicable]) -> Reading:
    name = f"calibrated, C = {', '.join(map(str, results))}"
    found = [result for result in results.values() if isinstance(result, Calibration)]
    if not found:
        return _missing(name, next(r for r in results.values() if isinstance(r, NotApplicable)))
    value = ", ".join("-" if isinstance(r, NotApplicable) else _percent(r.share) for r in results.values())
    worst = max(result.worst_regret for result in found)
    if worst == 0.0:
        return Reading(name, value, "the minimiser names the likeliest class")
    return Reading(name, value, f"the minimiser can miss the likeliest class (regret up to {worst:.2g})")


def _direct_prediction(result: DirectPrediction | NotApplicable) -> Reading:
    name = "free predictions reach labels"
    if isinstance(result, NotApplicable):
        return _missing(name, result)
    value = f"Adam {_percent(result.adam)}, GD {_percent(result.gradient_descent)}"
    if result.adam == 1.0 and result.gradient_descent == 1.0:
        return Reading(name, value, "from every start")
    if result.adam == 1.0:
        stuck = _percent(1 - result.gradient_descent_by_start[-1])
        return Reading(name, value, f"plain descent leaves {stuck} of confident mistakes stuck")
    if result.gradient_descent == 1.0:
        return Reading(name, value, "under plain descent; Adam stalls after large gradients")
    return Reading(name, value, "the loss does not bring predictions to their labels")


def _landmarks(result: Landmarks | NotApplicable) -> tuple[Reading, ...]:
    if isinstance(result, NotApplicable):
        return tuple(_missing(name, result) for name in _LANDMARKS)
    lowest = f"predictions surer than {result.lowest_at:.3g} cost more again"
    if result.perfect_is_lowest:
        lowest = "a perfect prediction is cheapest"
    guess = result.loss_at_uniform - result.loss_at_perfect
    values = result.gradient_at_uniform.values()
    shown = ", ".join("-" if isinstance(value, NotApplicable) else f"{_zero(value):.3g}" for value in values)
    return (
        Reading(_LANDMARKS[0], f"{result.lowest_at:.6g}", lowest),
        Reading(
            _LANDMARKS[1],
            f"{_zero(result.loss_at_perfect):.3g}, {_zero(result.loss_at_uniform):.3g}",
            f"guessing costs {abs(guess):.3g} {'more' if guess > 0 else 'less'} than being right and certain",
        ),
        Reading(
            _LANDMARKS[2],
            shown,
            _start([value for value in values if not isinstance(value, NotApplicable)]),
        ),
    )


def _start(relative: list[float]) -> str:
    if not all(value > 1e-12 for value in relative):
        return "an untrained classifier gets no pull toward its labels"
    if all(abs(value - 1) < 0.15 for value in relative):
        return "cross-entropy's learning rates carry over"
    if max(relative) > 3 * min(relative):
        return "the first steps depend on the class count: tune the learning rate"
    return "cross-entropy's learning rates want rescaling"


def _percent(share: float) -> str:
    # Rounded down, so that "100 %" is never said of anything less; the 1e-9 keeps 0.57 from being 56.9 %.
    return f"{math.floor(share * 1000 + 1e-9) / 10:g} %"


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{_zero(value):.2g}" for value in values)


def _zero(value: float) -> float:
    # What is only rounding, and -0.0, reads as 0.
    return 0.0 if abs(value) < 1e-15 else value
