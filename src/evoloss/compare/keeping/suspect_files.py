"""Suspect training labels as files: a table, how they were scored, pictures of the first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from evoloss.compare.keeping.csv_tables import csv_text
from evoloss.compare.keeping.evaluation import digits
from evoloss.compare.keeping.suspects import METHOD, Suspects, average_precision, self_confidence
from evoloss.compare.keeping.thumbnails import thumbnail
from evoloss.data import Dataset

SCHEMA = 1
TABLE_FILE = "suspects.csv"
DESCRIPTION_FILE = "suspects.json"
PICTURES = "suspects"
"""Folder of the pictures."""
MOST_SUSPECTS = 1000
"""Rows of the table."""
THUMBNAILS = 24
"""Suspects with a picture."""

HEADER = ("rank", "index", "label", "suggested", "score", "p_label", "p_suggested")
KNOWN_HEADER = ("label_before_noise", "is_wrong")
WHERE = "where"
"""Column that says where a sample is in the user's own data."""


def suspect_files(suspects: Suspects, dataset: Dataset, noisy: Dataset, *, folds: int) -> dict[str, bytes]:
    """Return the files by their names, those of pictures with the folder ``suspects``.

    Args:
        suspects: of the training split.
        dataset: as it was before the run added label noise.
        noisy: as it was trained on.
        folds: trainings that the probabilities are from; 0 if they are those of the run itself.
    """
    shown = suspects.order[:MOST_SUSPECTS].tolist()
    right = true_labels(dataset, noisy)
    described: dict[str, Any] = {
        "schema": SCHEMA,
        "method": METHOD,
        "out_of_sample": folds > 0,
        "folds": folds,
        "n_train": len(suspects.order),
        "n_listed": len(shown),
    }
    if right is not None:
        wrong = right != suspects.labels
        described["n_wrong"] = int(wrong.sum())
        if wrong.any():
            described["average_precision"] = average_precision(suspects.scores, wrong)
            by_confidence = self_confidence(suspects.probs, suspects.labels)
            described["average_precision_cleanlab_style"] = average_precision(by_confidence, wrong)
    files = {
        TABLE_FILE: _table(suspects, dataset, shown, right).encode(),
        DESCRIPTION_FILE: (json.dumps(described, indent=1, allow_nan=False) + "\n").encode(),
    }
    if len(dataset.input_shape) == 3:
        for rank, place in enumerate(shown[:THUMBNAILS], start=1):
            picture = thumbnail(dataset.train.inputs[place])
            if picture is not None:
                files[f"{PICTURES}/{rank:04}.png"] = picture
    return files


def true_labels(dataset: Dataset, noisy: Dataset) -> Tensor | None:
    """Return the training labels before noise that is known, ``(N,)``; None where nothing is known.

    That is noise which the run added, or labels of a file in place of the data set's own, or both.
    """
    if dataset.origin is not None and dataset.origin.reference is not None:
        return dataset.origin.reference
    return dataset.train.labels if noisy is not dataset else None


def _where(dataset: Dataset, index: int) -> str:
    details = None if dataset.origin is None else dataset.origin.details
    return f"{dataset.name}, sample {index}" if details is None else details.where(index)


def _table(suspects: Suspects, dataset: Dataset, shown: Sequence[int], right: Tensor | None) -> str:
    names, origin = dataset.class_names, dataset.origin
    index = torch.arange(len(suspects.order)) if origin is None else origin.train
    details = None if origin is None else origin.details
    header = [*HEADER, *(KNOWN_HEADER if right is not None else ()), WHERE]
    header += details.columns if details else ()
    rows = []
    for rank, place in enumerate(shown, start=1):
        label, other = int(suspects.labels[place]), int(suspects.suggested[place])
        row: list[object] = [rank, int(index[place]), names[label], names[other]]
        values = (suspects.scores[place], suspects.probs[place, label], suspects.probs[place, other])
        row += [digits(float(value)) for value in values]
        if right is not None:
            row += [names[int(right[place])], int(right[place] != label)]
        row.append(_where(dataset, int(index[place])))
        row += details(int(index[place])) if details else ()
        rows.append(row)
    return csv_text(header, rows)
