"""Metrics of a classifier: accuracy, negative log-likelihood, calibration error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.errors import MissingExtraError

ECE_BINS = 15
"""Bins of the expected calibration error."""


@dataclass(frozen=True)
class Evaluation:
    """A classifier on one split.

    Attributes:
        accuracy: percent of right predictions.
        nll: mean of ``-log p_y`` in nats.
        ece: expected calibration error in ``[0, 1]``, 15 equal bins of confidence, absolute gaps
            (Guo et al. 2017, arXiv:1706.04599).
    """

    accuracy: float
    nll: float
    ece: float


def evaluate_logits(logits: Tensor, labels: Tensor) -> Evaluation | None:
    """Judge predictions, or return None where a logit is not finite.

    Args:
        logits: ``(N, C)``, N at least 1.
        labels: ``(N,)``.

    Raises:
        MissingExtraError: if torchmetrics is not installed.
    """
    try:
        from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error
    except ImportError as error:
        raise MissingExtraError.of("torchmetrics", "experiments", "training a classifier") from error
    if not bool(torch.isfinite(logits).all()):
        return None
    logits = logits.double()  # a mean over 10,000 samples, alike on every device
    n_classes = logits.shape[1]
    accuracy = multiclass_accuracy(
        logits, labels, num_classes=n_classes, average="micro", validate_args=False
    )
    probs = logits.softmax(dim=1)
    ece = multiclass_calibration_error(
        probs, labels, num_classes=n_classes, n_bins=ECE_BINS, norm="l1", validate_args=False
    )
    # torchmetrics divides in float32; the count of right answers gives the share to the last digit.
    n_right = round(float(accuracy) * len(labels))
    return Evaluation(100 * n_right / len(labels), float(F.cross_entropy(logits, labels)), float(ece))


def chance(n_classes: int) -> Evaluation:
    """Return what a uniform prediction scores on balanced classes; stands in for a diverged classifier."""
    return Evaluation(100 / n_classes, math.log(n_classes), 0.0)
