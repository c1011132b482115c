"""Comparisons and searches on disk, made up, as the commands leave them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evoloss.compare.results import Results
from evoloss.networks import NoiseRate
from evoloss.training import History
from tests.compare.runs import make_run, make_tuning_run

NASTY = "<script>alert(1)</script>"
CLASSES = (NASTY, 'it\'s "b"', "c & d", "</script><img src=x onerror=alert(2)>")
CONFIG: dict[str, Any] = {
    "dataset": "photos.npz",
    "model": "mlp",
    "losses": ["cross_entropy", "gce", "adaptive"],
    "seeds": [0, 1, 2],
    "baseline": "cross_entropy",
    "epochs": 12,
    "lr": 0.05,
    "tune_lr": True,
    "lr_grid": [0.01, 0.05, 0.25],
    "tune_seeds": 1,
    "label_noise": 0.0,
    "own_data": True,
    "data_notes": [f"2 rows left out: {NASTY}"],
    "class_names": list(CLASSES),
}
ACCURACIES = {"cross_entropy": (70.0, 71.0, 72.0), "gce": (88.0, 90.5, 92.0), "adaptive": (71.0, 70.5, 73.5)}


def comparison(**changes: Any) -> Results:
    """Three losses and seeds, tuned rates, an estimate of the noise, curves; ``changes`` are of the "
    "results."""
    rng = np.random.default_rng(0)
    runs, tuning = [], []
    for loss, accuracies in ACCURACIES.items():
        for seed, accuracy in enumerate(accuracies):
            course = tuple(float(accuracy - 30 * 0.7**epoch + rng.normal()) for epoch in range(1, 13))
            made = make_run(loss, seed, accuracy, dataset="photos.npz", model="mlp", epochs=12, n_classes=4)
            rate = NoiseRate(0.31, 0.26, 0.38) if loss == "adaptive" else None
            history = History(
                train_loss=tuple(2 * 0.8**epoch for epoch in range(12)),
                validation_accuracy=course,
                train_accuracy=tuple(value - 5 for value in course),
            )
            runs.append(replace(made, history=history, best_epoch=9 + seed, noise_rate=rate))
        for rate_tried, lost in ((0.01, 8.0), (0.05, 0.0), (0.25, 5.0)):
            tuning.append(make_tuning_run(loss, rate_tried, 1_000_000, accuracies[0] - lost))
    values: dict[str, Any] = {
        "config": CONFIG,
        "created_with": {"evoloss": "0.4.0", "torch": "2.13.0"},
        "baseline": "cross_entropy",
        "complete": True,
        "runs": tuple(runs),
        "tuning": tuple(tuning),
    }
    return Results(**{**values, **changes})


def keep(
    folder: Path, classes: Sequence[str] = CLASSES, *, pictures: bool = True, known: bool = False
) -> None:
    """What `evoloss compare --keep first` leaves of a run."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(folder.parent.name))
    count = len(classes)
    confusion = rng.integers(0, 5, (count, count)) + 25 * np.eye(count, dtype=int)
    recall = (confusion.diagonal() / confusion.sum(1)).tolist()
    evaluation = {
        "schema": 1,
        "split": "test",
        "classes": list(classes),
        "confusion": confusion.tolist(),
        "recall": recall,
        "balanced_accuracy": 100 * float(np.mean(recall)),
        "reliability": {
            "edges": [0.0, 0.25, 0.5, 0.75, 1.0],
            "counts": [0, 10, 30, 60],
            "confidence": [None, 0.4, 0.65, 0.9],
            "accuracy": [None, 0.5, 0.7, 0.85],
        },
        "temperature": 1.3,
    }
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    method = {"method": "self-confidence", "out_of_sample": False, "n_train": 1294}
    (folder / "suspects.json").write_text(
        json.dumps({**method, **({"average_precision": 0.82} if known else {})})
    )
    (folder / "command.txt").write_text(f"evoloss compare --out DIR --dataset '{NASTY}.npz' --seeds 0\n")
    names = ["rank", "index", "label", "suggested", "score", "p_label", "p_suggested"]
    names += [] if pictures else ["feature_site", "feature_weight"]
    names += ["label_before_noise", "is_wrong"] if known else []
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for rank in range(1, 31):
        row = {
            "rank": rank,
            "index": 1000 - rank,
            "label": classes[rank % count],
            "suggested": classes[(rank + 1) % count],
            "score": 1 - rank / 100,
            "p_label": 0.01,
            "p_suggested": 0.9,
            "feature_site": NASTY,
            "feature_weight": 1.5 * rank,
            "label_before_noise": classes[(rank + 1) % count],
            "is_wrong": 1,
        }
        writer.writerow({name: row[name] for name in names})
    (folder / "suspects.csv").write_text(text.getvalue())
    if pictures:
        (folder / "suspects").mkdir()
        for rank in range(1, 25):
            pixels = rng.integers(0, 255, (28, 28, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "suspects" / f"{rank:04}.png")


def write_comparison(directory: Path, results: Results | None = None, *, kept: bool = True) -> Path:
    """A directory as a comparison leaves it."""
    (results or comparison()).write(directory / "results.json")
    if kept:
        for loss in ACCURACIES:
            keep(directory / "kept" / loss / "seed-0", pictures=loss != "gce", known=loss == "gce")
    return directory
