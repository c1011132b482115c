"""How well suspect training labels are ranked where it is known which are wrong, beside cleanlab's rankings.

    python -m benchmarks.suspects.run               # seeds 0 to 4, which are reported
    python -m benchmarks.suspects.run --choosing    # seeds 100 to 102, by which the method was chosen
    python -m benchmarks.suspects.run --table       # the table of the README, from the committed results

Needs cleanlab (``pip install '.[suspects-benchmark]'``), which ranks the same probabilities.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from benchmarks.harness import command
from benchmarks.harness.markdown import numbers_table
from benchmarks.harness.results import machine_facts, read_record
from evoloss.atomic_files import write_text
from evoloss.compare.keeping.files import suspect_probs
from evoloss.compare.keeping.folds import held_out_probs
from evoloss.compare.keeping.suspects import Suspects, average_precision
from evoloss.data import Dataset, load_dataset
from evoloss.errors import MissingExtraError
from evoloss.losses import LOSSES
from evoloss.training import TrainConfig, train_and_observe
from evoloss.training.config import NoiseKind
from evoloss.training.label_noise import with_label_noise

RESULTS = Path(__file__).parent / "results"
NOISE: tuple[tuple[NoiseKind, float], ...] = (
    ("symmetric", 0.2),
    ("symmetric", 0.4),
    ("asymmetric", 0.2),
    ("asymmetric", 0.4),
)
REPORTED, CHOOSING = tuple(range(5)), tuple(range(100, 103))
OURS = "evoloss"
CLEANLAB = {
    "cleanlab, self-confidence": ("self_confidence", False),
    "cleanlab, self-confidence, adjusted": ("self_confidence", True),
    "cleanlab, normalised margin": ("normalized_margin", False),
    "cleanlab, normalised margin, adjusted": ("normalized_margin", True),
    "cleanlab, entropy": ("confidence_weighted_entropy", False),
}
"""Rankings of ``cleanlab.rank.get_label_quality_scores``: method, and whether probabilities are adjusted by
thresholds of their classes. The first is its default."""
SOURCES = {"training": "means over the steps of the training itself", "held_out": "held-out folds"}


@dataclass(frozen=True, kw_only=True)
class SuspectStudy:
    """Rank suspect labels of digits with known noise."""

    choosing: bool = False
    """Seeds 100 to 102 in place of 0 to 4."""
    epochs: int = 15
    """Passes over the training split."""
    folds: int = 5
    """Trainings whose held-out folds give the second kind of probabilities."""
    table: bool = False
    """Print the table of the committed results, and train nothing."""
    out: Path | None = None
    """Results file; beside this script by default."""

    @property
    def path(self) -> Path:
        """Place of the results; what is in it is not done again."""
        return self.out or RESULTS / ("choosing.json" if self.choosing else "reported.json")


def cleanlab_scores(probs: Tensor, labels: Tensor, method: str, adjusted: bool) -> Tensor:
    """Return cleanlab's scores with their sign turned, so that larger is more suspect.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError as error:
        raise MissingExtraError.of("cleanlab", "suspects-benchmark", "the study of suspects") from error
    scores = get_label_quality_scores(
        labels.numpy(), probs.double().numpy(), method=method, adjust_pred_probs=adjusted
    )
    return -Tensor(np.asarray(scores))


def rankings(probs: Tensor, labels: Tensor, wrong: Tensor) -> dict[str, float]:
    """Average precision of each ranking of the same probabilities, by its name."""
    found = {OURS: average_precision(Suspects.of(probs, labels).scores, wrong)}
    for name, (method, adjusted) in CLEANLAB.items():
        found[name] = average_precision(cleanlab_scores(probs, labels, method, adjusted), wrong)
    return found


def measure(
    dataset: Dataset, kind: NoiseKind, rate: float, seed: int, options: SuspectStudy
) -> dict[str, Any]:
    """Train on noisy labels, and rank them by both kinds of probabilities."""
    config = TrainConfig(
        epochs=options.epochs, label_noise=rate, noise_kind=kind, seed=seed, accelerator="cpu"
    )
    noisy = with_label_noise(dataset, config).train.labels
    wrong = noisy != dataset.train.labels
    loss = LOSSES["cross_entropy"]()
    result, outcome = train_and_observe(dataset, "mlp", loss, config)
    held_out = held_out_probs(dataset, "mlp", loss, config, folds=options.folds)
    assert held_out is not None, "cross-entropy does not diverge on digits"
    return {
        "noise_kind": kind,
        "label_noise": rate,
        "seed": seed,
        "n_train": len(noisy),
        "n_wrong": int(wrong.sum()),
        "test_accuracy": result.test_accuracy,
        "average_precision": {
            "training": rankings(suspect_probs(outcome, None), noisy, wrong),
            "held_out": rankings(suspect_probs(outcome, held_out), noisy, wrong),
        },
    }


def study(options: SuspectStudy) -> dict[str, Any]:
    """Do what is not done yet, and write the file after each training."""
    record = read_record(options.path)
    rows = record.get("rows", [])
    done = {(row["noise_kind"], row["label_noise"], row["seed"]) for row in rows}
    dataset = load_dataset("digits")
    for seed in CHOOSING if options.choosing else REPORTED:
        for kind, rate in NOISE:
            if (kind, rate, seed) not in done:
                rows.append(measure(dataset, kind, rate, seed, options))
                record = {"command": command.command_line(options), "facts": machine_facts(), "rows": rows}
                write_text(options.path, json.dumps(record, indent=1) + "\n")
                print(f"{kind} {rate:g}, seed {seed}: {_short(rows[-1])}")
    return record


def _short(row: Mapping[str, Any]) -> str:
    found = row["average_precision"]["training"]
    best = max(value for name, value in found.items() if name != OURS)
    return f"{found[OURS]:.3f}, cleanlab at best {best:.3f}"


def means(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str, list[float]]]:
    """Yield probabilities, ranking and its mean over seeds for each kind of noise."""
    for source in SOURCES:
        for name in (OURS, *CLEANLAB):
            yield (
                source,
                name,
                [
                    statistics.fmean(
                        row["average_precision"][source][name]
                        for row in rows
                        if (row["noise_kind"], row["label_noise"]) == noise
                    )
                    for noise in NOISE
                ],
            )


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table of the README."""
    header = ("probabilities of", "ranking", *(f"{kind} {rate:.0%}" for kind, rate in NOISE))
    lines = [
        (SOURCES[source], name, *(f"{value:.3f}" for value in values)) for source, name, values in means(rows)
    ]
    return "\n".join(numbers_table(header, lines))


def main(options: SuspectStudy) -> None:
    """Do the study, or print its table."""
    record = read_record(options.path) if options.table else study(options)
    print(table(record["rows"]))


if __name__ == "__main__":
    command.run(SuspectStudy, main)
