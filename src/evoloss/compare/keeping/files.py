"""The files of a run, made where it was trained and written where the comparison is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evoloss.atomic_files import write_bytes
from evoloss.compare.keeping.evaluation import evaluation, predictions_csv
from evoloss.compare.keeping.folds import HeldOut, held_out_probs
from evoloss.compare.keeping.plan import KeepPlan, folder_of
from evoloss.compare.keeping.suspect_files import DESCRIPTION_FILE, PICTURES, TABLE_FILE, suspect_files
from evoloss.compare.keeping.suspects import Suspects
from evoloss.data import Dataset
from evoloss.models import names_trees
from evoloss.own_files import holds_json, require_replaceable
from evoloss.training import Outcome, RunResult, TrainConfig
from evoloss.training.batches import Normaliser
from evoloss.training.label_noise import with_label_noise
from evoloss.training.masked import with_masks
from evoloss.training.trees.train_trees import MODEL_FILES

FILES = "files"
"""Entry beside a result, on its way from a worker: content by name."""
WEIGHTS_FILE = "model.safetensors"
TREE_FILES = tuple(MODEL_FILES.values())
MODEL_FILE = "model.json"
COMMAND_FILE = "command.txt"
EVALUATION_FILE = "evaluation.json"
PREDICTIONS_FILE = "predictions.csv"
_PICTURE = re.compile(rf"{PICTURES}/\d{{4}}\.png")
MODEL_SCHEMA = 1


def run_files(
    plan: KeepPlan,
    dataset: Dataset,
    loss: nn.Module,
    config: TrainConfig,
    trained: tuple[RunResult, Outcome],
) -> dict[str, bytes]:
    """Return the files of a run by their names; none for a run that diverged.

    Args:
        plan: how suspects are scored.
        dataset: of the run, without its label noise.
        loss: of the run.
        config: of the run.
        trained: what came of it.
    """
    result, outcome = trained
    if outcome.test_logits is None:
        return {}
    probs = with_masks(outcome.test_logits).softmax(dim=1)
    names, labels = dataset.class_names, dataset.test.labels
    index = torch.arange(len(labels)) if dataset.origin is None else dataset.origin.test
    judged = evaluation(probs, labels, names, result.temperature)
    files = {
        EVALUATION_FILE: json_bytes(judged),  # first: by it the others are known as ours
        MODEL_FILE: json_bytes(_model(dataset, result)),
        **_trained(outcome),
        PREDICTIONS_FILE: predictions_csv(probs, labels, index, names).encode(),
    }
    if outcome.train_probs is None or outcome.train_logits is None:  # too many to hold
        return files
    held_out = None
    if plan.folds:
        held_out = held_out_probs(dataset, result.model, loss, config, folds=plan.folds)
    noisy = with_label_noise(dataset, config)
    suspects = Suspects.of(suspect_probs(outcome, held_out), noisy.train.labels)
    return files | suspect_files(suspects, dataset, noisy, folds=plan.folds if held_out is not None else 0)


def suspect_probs(outcome: Outcome, held_out: HeldOut | None) -> Tensor:
    """The probabilities that suspects are told by: those of held-out folds, else of the training's steps."""
    if held_out is not None:
        return held_out.mean
    assert outcome.train_logits is not None, "it has not diverged, nor is it too large"
    assert outcome.train_probs is not None, "likewise"
    at_end = with_masks(outcome.train_logits).softmax(dim=1)
    # A sample that was in no complete batch has no mean.
    return torch.where(outcome.train_probs.isfinite().all(dim=1, keepdim=True), outcome.train_probs, at_end)


def _trained(outcome: Outcome) -> dict[str, bytes]:
    """The file of the trained model: weights, or the trees of a library."""
    from safetensors.torch import save

    if outcome.model_file is not None:
        return {outcome.model_file.name: outcome.model_file.content}
    return {WEIGHTS_FILE: save({name: value.contiguous() for name, value in outcome.weights.items()})}


def _model(dataset: Dataset, result: RunResult) -> dict[str, Any]:
    normalise = Normaliser.of(dataset.train.inputs)
    if names_trees(result.model):  # they split anywhere, and take inputs as they are
        normalise = Normaliser(torch.zeros_like(normalise.mean), torch.ones_like(normalise.scale))
    return {
        "schema": MODEL_SCHEMA,
        "model": result.model,
        "input_shape": list(dataset.input_shape),
        "classes": list(dataset.class_names),
        "mean": normalise.mean.flatten().tolist(),
        "scale": normalise.scale.flatten().tolist(),
    }


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """Return JSON with one line an entry."""
    lines = [f" {json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in content.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def require_own(folder: Path, losses: Iterable[str], plan: KeepPlan) -> None:
    """Make sure, before any run, that its files will replace none of somebody else's.

    Args:
        folder: of the comparison.
        losses: names in its results.
        plan: the runs that leave files.

    Raises:
        OutputError: if one of the files is there and is not evoloss's.
    """
    others = (WEIGHTS_FILE, *TREE_FILES, PREDICTIONS_FILE, TABLE_FILE, COMMAND_FILE)
    for loss in losses:
        for seed in plan.seeds:
            require_replaceable(folder / folder_of(loss, seed), _OWN, others)


_OWN = {
    EVALUATION_FILE: holds_json("schema", "split", "confusion"),
    MODEL_FILE: holds_json("schema", "model", "input_shape"),
    DESCRIPTION_FILE: holds_json("schema", "method", "out_of_sample"),
}


def write_files(folder: Path, loss: str, seed: int, files: Mapping[str, bytes], command: str) -> str:
    """Write the files of a run, and return their folder, relative to that of the comparison.

    Args:
        folder: of the comparison.
        loss: name in its results.
        seed: of the run.
        files: of :func:`run_files`.
        command: that makes the run again.
    """
    place = folder_of(loss, seed)
    for path in (folder / place / PICTURES).glob("*.png"):  # of a run on data that have changed since
        name = f"{PICTURES}/{path.name}"
        if name not in files and _PICTURE.fullmatch(name):
            path.unlink(missing_ok=True)
    for name, content in files.items():
        write_bytes(folder / place / name, content)
    write_bytes(folder / place / COMMAND_FILE, f"{command}\n".encode())
    return place
