"""Metrics of a classifier: accuracy, negative log-likelihood, calibration error."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from evoloss.errors import MissingExtraError
from evoloss.training.masked import are_predictions, with_masks

ECE_BINS = 15
"""Bins of the expected calibration error."""


@dataclass(frozen=True)
class Evaluation:
    """A classifier on one split.

    Attributes:
        accuracy: percent of right predictions.
        nll: mean of ``-log p_y`` in nats, over the samples whose label is not masked.
        ece: expected calibration error in ``[0, 1]``, 15 equal bins of confidence, absolute gaps
            (Guo et al. 2017, arXiv:1706.04599).
    """

    accuracy: float
    nll: float
    ece: float


def evaluate_logits(logits: Tensor, labels: Tensor) -> Evaluation | None:
    """Judge predictions, or return None where they are none: NaN, +inf, or a row without a finite logit.

    A logit of -inf, or the lowest number of a precision, masks a class: its probability is 0. A sample whose
    label is masked is a wrong prediction with an infinite ``-log p_y``: it counts as an error in the accuracy
    and the calibration error, is left out of the likelihood, and a warning says how many there are. Where
    every label is masked there is no likelihood, and the answer is None.

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
    logits = with_masks(logits)
    if not are_predictions(logits):
        return None
    logits = logits.double()  # a mean over 10,000 samples, alike on every device
    if (nll := _mean_nll(logits, labels)) is None:
        return None
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
    return Evaluation(100 * n_right / len(labels), nll, float(ece))


def _mean_nll(logits: Tensor, labels: Tensor) -> float | None:
    """Mean negative log-likelihood of the labels that are not masked; None if all are."""
    masked = logits.gather(1, labels[:, None]).isneginf().flatten()
    if not bool(masked.any()):
        return float(F.cross_entropy(logits, labels))
    warnings.warn(
        f"the model masks the label of {int(masked.sum())} of {len(labels)} samples; they count as errors, "
        "and the likelihood, which would be infinite, is that of the others",
        stacklevel=3,
    )
    return None if bool(masked.all()) else float(F.cross_entropy(logits[~masked], labels[~masked]))


def balanced_accuracy(logits: Tensor, labels: Tensor) -> float:
    """Mean over the classes of the share of their samples that is predicted right, in percent.

    Classes without a sample do not count; on equally large classes it is the accuracy.

    Args:
        logits: ``(N, C)``, N at least 1.
        labels: ``(N,)``.

    Example:
        >>> balanced_accuracy(torch.eye(3)[[0, 0, 0, 0]], torch.tensor([0, 0, 0, 1]))
        50.0
    """
    right = (logits.argmax(dim=1) == labels).double()
    counts = torch.bincount(labels, minlength=logits.shape[1])
    hits = torch.bincount(labels, weights=right, minlength=logits.shape[1])
    present = counts > 0
    return float(100 * (hits[present] / counts[present]).mean())


def chance(n_classes: int) -> Evaluation:
    """Return what a uniform prediction scores on balanced classes; stands in for a diverged classifier."""
    return Evaluation(100 / n_classes, math.log(n_classes), 0.0)
