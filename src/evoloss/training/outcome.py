"""Weights and predictions that a training leaves beside its numbers, for those who ask for them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from evoloss.data import Dataset

_WEIGHT = "weight of the model: "
MOST_CELLS = 100_000_000
"""Training samples times classes above which their predictions are not held in memory."""


def is_observable(dataset: Dataset) -> bool:
    """Tell whether the predictions of all training samples can be held in memory."""
    return len(dataset.train) * dataset.n_classes <= MOST_CELLS


@dataclass(frozen=True)
class ModelFile:
    """A trained model in the format of the library that made it.

    Attributes:
        name: of the file.
        content: of the file.
    """

    name: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The state of a classifier at the end of its training, and what it predicted; all on the CPU.

    Attributes:
        weights: state dict of the model; empty where there is a file of it.
        test_logits: of the test split, ``(N, C)``; None if the training diverged or the test was not read.
        train_logits: of the training split at the end, not augmented, ``(N, C)``; None if it diverged, or
            is too large (:data:`MOST_CELLS`).
        train_probs: mean over the training of the probabilities that each training sample got in the steps
            it was part of, float32 ``(N, C)``; NaN for one that was in no complete batch; None if there are
            too many.
        held_out_probs: mean over the epochs of the probabilities of a split that was given to be watched,
            ``(M, C)``; None if none was, or the training diverged.
        held_out_logits: of that split at the end.
        model_file: of boosted trees; None for a network, whose weights are its all.
    """

    weights: dict[str, Tensor]
    test_logits: Tensor | None
    train_logits: Tensor | None
    train_probs: Tensor | None
    held_out_probs: Tensor | None = None
    held_out_logits: Tensor | None = None
    model_file: ModelFile | None = None

    def to_bytes(self) -> bytes:
        """Return all of a network in one piece, which outlives the process that made it."""
        tensors = {f"{_WEIGHT}{name}": value.contiguous() for name, value in self.weights.items()}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Tensor):
                tensors[entry.name] = value.contiguous()
        return save(tensors)

    @classmethod
    def from_bytes(cls, content: bytes) -> Outcome:
        """Undo :meth:`to_bytes`."""
        tensors = load(content)
        weights = {
            name.removeprefix(_WEIGHT): value for name, value in tensors.items() if name.startswith(_WEIGHT)
        }
        names = [entry.name for entry in fields(cls) if entry.name not in ("weights", "model_file")]
        others: dict[str, Any] = {name: tensors.get(name) for name in names}
        return cls(weights=weights, **others)


class StepRecord:
    """The predictions that training steps make anyway, added up for each training sample.

    A sample whose label is wrong is predicted as its neighbours are for as long as its label is not known by
    heart, so a mean over the training tells wrong labels where the last epoch no longer does.

    Args:
        n_samples: of the training split.
        n_classes: of the data set.
        device: of the training.

    References:
        Pleiss et al. 2020, *Identifying Mislabeled Data using the Area Under the Margin Ranking*,
        arXiv:2001.10528.
    """

    def __init__(self, n_samples: int, n_classes: int, device: torch.device) -> None:
        self._total = torch.zeros(n_samples, n_classes + 1, device=device, dtype=torch.float32)

    @torch.no_grad()
    def add(self, index: Tensor, logits: Tensor) -> None:
        """Count the predictions of a step, of the samples ``index`` ``(B,)``, logits ``(B, C)``."""
        probs = logits.detach().float().softmax(dim=1)
        self._total.index_add_(0, index, torch.nn.functional.pad(probs, (0, 1), value=1.0))

    def totals(self) -> Tensor:
        """Return sums of probabilities, and in the last column how many were added, ``(N, C + 1)``."""
        return self._total


def mean_probs(totals: Tensor) -> Tensor:
    """Return the means of :meth:`StepRecord.totals`, NaN where nothing was added, on the CPU."""
    totals = totals.cpu()
    return totals[:, :-1] / totals[:, -1:]
