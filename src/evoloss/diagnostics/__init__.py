"""Diagnostics that tell what kind of loss any ``criterion(logits, target)`` with one value a row is."""

from __future__ import annotations

from evoloss.diagnostics.calibration import Calibration, measure_calibration
from evoloss.diagnostics.class_sum import ClassSum, measure_class_sum
from evoloss.diagnostics.criterion import LossFunction, NotApplicable, NotApplicableError
from evoloss.diagnostics.curves import Curve, loss_curve
from evoloss.diagnostics.direct_prediction import DirectPrediction, measure_direct_prediction
from evoloss.diagnostics.direction import Direction, measure_direction
from evoloss.diagnostics.inspection import Inspection, inspect_loss
from evoloss.diagnostics.landmarks import Landmarks, gradient_at_uniform, measure_landmarks
from evoloss.diagnostics.ranking import Ranking, measure_ranking
from evoloss.diagnostics.readings import Reading, readings
from evoloss.diagnostics.wrong_side import WrongSide, measure_wrong_side

__all__ = [
    "Calibration",
    "ClassSum",
    "Curve",
    "DirectPrediction",
    "Direction",
    "Inspection",
    "Landmarks",
    "LossFunction",
    "NotApplicable",
    "NotApplicableError",
    "Ranking",
    "Reading",
    "WrongSide",
    "gradient_at_uniform",
    "inspect_loss",
    "loss_curve",
    "measure_calibration",
    "measure_class_sum",
    "measure_direct_prediction",
    "measure_direction",
    "measure_landmarks",
    "measure_ranking",
    "measure_wrong_side",
    "readings",
]
