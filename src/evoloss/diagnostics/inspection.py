"""Every diagnostic of one loss, gathered."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from evoloss.diagnostics.calibration import Calibration, measure_calibration
from evoloss.diagnostics.class_sum import ClassSum, measure_class_sum
from evoloss.diagnostics.criterion import LossFunction, NotApplicable, NotApplicableError, label_gradients
from evoloss.diagnostics.curves import Curve, loss_curve
from evoloss.diagnostics.direct_prediction import DirectPrediction, measure_direct_prediction
from evoloss.diagnostics.direction import Direction, measure_direction
from evoloss.diagnostics.landmarks import Landmarks, measure_landmarks
from evoloss.diagnostics.ranking import Ranking, measure_ranking
from evoloss.diagnostics.wrong_side import WrongSide, measure_wrong_side
from evoloss.errors import ConfigError, EvolossError
from evoloss.memory import require_memory
from evoloss.pairs import MAX_CLASSES
from evoloss.python_settings import python_setting
from evoloss.random_streams import stream

SCHEMA = 1
"""Version of the dictionary that :meth:`Inspection.to_dict` makes."""

CALIBRATION_CLASS_COUNTS: tuple[int, ...] = (2, 3, 10)
"""Class counts at which calibration is tested."""

# Of the largest diagnostics, measured with 100 to 3,000 classes.
_BYTES_A_CLASS = 5e5

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """The results of all diagnostics; each field may be :class:`NotApplicable` with the reason.

    Attributes:
        n_classes: class count of every diagnostic that has one.
        seed: of every random draw.
        curve: loss and gradient against p_y, the rest of the mass spread evenly.
        rival_curve: the same with the rest on one class.
        ranking: does a more erroneous prediction cost more.
        class_sum: tolerance to uniform label noise.
        wrong_side: the gradient as p_y goes to 0.
        direction: where the gradient points over the simplex.
        calibration: by class count, whether the minimiser of the expected loss names the likeliest class.
        direct_prediction: whether free predictions reach their labels.
        landmarks: perfect, uniform and lowest prediction.
    """

    n_classes: int
    seed: int
    curve: Curve
    rival_curve: Curve
    ranking: Ranking | NotApplicable
    class_sum: ClassSum | NotApplicable
    wrong_side: WrongSide | NotApplicable
    direction: Direction | NotApplicable
    calibration: dict[int, Calibration | NotApplicable]
    direct_prediction: DirectPrediction | NotApplicable
    landmarks: Landmarks | NotApplicable

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types: string keys, lists, and null for what is not a finite number."""
        document = _to_json(self)
        assert isinstance(document, dict)
        return {"schema": SCHEMA, **document}


def inspect_loss(loss: LossFunction, *, n_classes: int = 10, seed: int = 0) -> Inspection:
    """Run every diagnostic on ``loss``.

    Args:
        loss: ``criterion(logits (N, C), target (N,)) -> (N,)``, as built with ``reduction="none"``; called
            with float64 logits.
        n_classes: class count of the predictions, from 2 to 100,000.
        seed: every diagnostic draws from its own stream of this seed.

    Raises:
        ConfigError: if ``n_classes`` is out of range or more than memory has room for, or the loss cannot be
            evaluated at that class count.

    Example:
        >>> from evoloss.losses import LOSSES
        >>> inspection = inspect_loss(LOSSES["gce"](reduction="none"), n_classes=3)
        >>> inspection.wrong_side.verdict
        'vanishes'
    """
    n_classes, seed = python_setting(n_classes), python_setting(seed)
    if not 2 <= n_classes <= MAX_CLASSES:
        raise ConfigError(f"a loss is inspected with 2 to {MAX_CLASSES:,} classes, got {n_classes}")
    drawn_bytes = {"random predictions": _BYTES_A_CLASS * n_classes}
    require_memory("inspecting a loss", drawn_bytes, {"random predictions": "the number of classes"})
    try:
        label_gradients(loss, torch.zeros(3, n_classes, dtype=torch.float64), torch.tensor([0, 1, 0]))
    except NotApplicableError as error:
        raise ConfigError(f"the loss cannot be inspected with {n_classes} classes: {error}") from error

    def drawn(measure: Callable[..., Result], label: str, classes: int = n_classes) -> Result | NotApplicable:
        generator = stream(seed, "inspect", label, classes)
        return _or_reason(lambda: measure(loss, n_classes=classes, generator=generator))

    curve = loss_curve(loss, n_classes=n_classes)
    return Inspection(
        n_classes=n_classes,
        seed=seed,
        curve=curve,
        rival_curve=loss_curve(loss, n_classes=n_classes, rest="rival"),
        ranking=drawn(measure_ranking, "ranking"),
        class_sum=drawn(measure_class_sum, "class_sum"),
        wrong_side=_or_reason(lambda: measure_wrong_side(loss, n_classes=n_classes)),
        direction=drawn(measure_direction, "direction"),
        calibration={c: drawn(measure_calibration, "calibration", c) for c in CALIBRATION_CLASS_COUNTS},
        direct_prediction=drawn(measure_direct_prediction, "direct_prediction"),
        landmarks=_or_reason(lambda: measure_landmarks(loss, curve)),
    )


def _or_reason(diagnostic: Callable[[], Result]) -> Result | NotApplicable:
    try:
        return diagnostic()
    except EvolossError as error:
        return NotApplicable(str(error))


def _to_json(value: object) -> object:
    if isinstance(value, NotApplicable):
        return {"not_applicable": value.reason}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _to_json(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [_to_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
