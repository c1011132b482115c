"""A classifier on the test split in detail: predictions, confusion, recall by class, reliability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from evoloss.compare.keeping.csv_tables import csv_text
from evoloss.training.metrics import ECE_BINS, balanced_accuracy

SCHEMA = 1
MOST_CELLS = 10_000_000
DIGITS = 6
"""Significant digits of a probability in a file."""


def evaluation(
    probs: Tensor, labels: Tensor, class_names: Sequence[str], temperature: float | None
) -> dict[str, Any]:
    """Return the content of ``evaluation.json``, JSON values.

    ``confusion`` counts samples, a row a label and a column a prediction; ``recall`` is the share of each
    class that is predicted right, None without samples. ``reliability`` has 15 equal bins of confidence, as
    the calibration error: the bins' edges, and of each bin the samples, their mean confidence and the share
    of right predictions, None where it is empty. Shares are in ``[0, 1]``, ``balanced_accuracy`` is in
    percent.

    Args:
        probs: ``(N, C)``.
        labels: ``(N,)``.
        class_names: one name a class.
        temperature: fitted on the validation split; None if unknown.

    Example:
        >>> probs = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]])
        >>> found = evaluation(probs, torch.tensor([0, 0, 0]), ("cat", "dog"), 1.0)
        >>> found["confusion"], found["recall"][1], round(found["balanced_accuracy"], 1)
        ([[2, 1], [0, 0]], None, 66.7)
    """
    n_classes = len(class_names)
    predicted = probs.argmax(dim=1)
    confusion = torch.bincount(labels * n_classes + predicted, minlength=n_classes**2)
    rows = confusion.view(n_classes, n_classes)
    return {
        "schema": SCHEMA,
        "split": "test",
        "classes": list(class_names),
        "confusion": rows.tolist(),
        "recall": _shares(rows.diagonal(), rows.sum(dim=1)),
        "balanced_accuracy": balanced_accuracy(probs, labels),
        "reliability": _reliability(probs.double(), labels, predicted),
        "temperature": temperature,
    }


def _reliability(probs: Tensor, labels: Tensor, predicted: Tensor) -> dict[str, Any]:
    confidence = probs.amax(dim=1)
    edges = torch.linspace(0, 1, ECE_BINS + 1, dtype=torch.float64)
    # A bin holds its upper edge, so that a confidence of 1 is in the last.
    bins = (torch.bucketize(confidence, edges) - 1).clamp(0, ECE_BINS - 1)
    right = (predicted == labels).double()
    counts = torch.bincount(bins, minlength=ECE_BINS)
    return {
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "confidence": _shares(torch.bincount(bins, weights=confidence, minlength=ECE_BINS), counts),
        "accuracy": _shares(torch.bincount(bins, weights=right, minlength=ECE_BINS), counts),
    }


def _shares(parts: Tensor, wholes: Tensor) -> list[float | None]:
    pairs = zip(parts.tolist(), wholes.tolist(), strict=True)
    return [part / whole if whole else None for part, whole in pairs]


def predictions_csv(probs: Tensor, labels: Tensor, index: Tensor, class_names: Sequence[str]) -> str:
    """Return ``predictions.csv``: ``index, label, predicted, correct`` and a probability for each class.

    More than ten million probabilities are left out.

    Args:
        probs: ``(N, C)``.
        labels: ``(N,)``.
        index: place of each sample in the part of the data that it was read in, ``(N,)``.
        class_names: one name a class; that of its column begins with ``p_``.
    """
    header = ["index", "label", "predicted", "correct"]
    if probs.numel() <= MOST_CELLS:
        header += [f"p_{name}" for name in class_names]
    predicted = probs.argmax(dim=1)
    columns = zip(index.tolist(), labels.tolist(), predicted.tolist(), probs.tolist(), strict=True)
    rows = (
        [place, class_names[label], class_names[guess], int(label == guess), *map(digits, row)][: len(header)]
        for place, label, guess, row in columns
    )
    return csv_text(header, rows)


def digits(value: float) -> str:
    """Return a number to six significant digits."""
    return f"{value:.{DIGITS}g}"
