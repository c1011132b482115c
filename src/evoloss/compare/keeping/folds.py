"""Predictions of training samples by classifiers that were not trained on them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from evoloss.data import Dataset, Split
from evoloss.errors import DataError
from evoloss.random_streams import stream
from evoloss.training import TrainConfig, train_and_observe
from evoloss.training.label_noise import with_label_noise
from evoloss.training.masked import with_masks
from evoloss.training.run_result import OnEpoch


@dataclass(frozen=True)
class HeldOut:
    """Probabilities of training samples by classifiers that did not see them.

    Attributes:
        mean: over the epochs of a training, ``(N, C)``.
        last: of its last epoch, ``(N, C)``.
    """

    mean: Tensor
    last: Tensor


def require_folds(folds: int, n_train: int) -> None:
    """Check that there is a training sample for each fold.

    Raises:
        DataError: if there are fewer.
    """
    if folds > n_train:
        raise DataError(
            f"{folds} folds for suspects need as many training samples; there are {n_train}. Use fewer"
        )


def fold_of(labels: Tensor, folds: int, seed: int) -> Tensor:
    """Deal the samples of every class to folds in turn, in a random order.

    Args:
        labels: class indices, int64 ``(N,)``.
        folds: how many, at least 2.
        seed: of the order.

    Returns:
        The fold of each sample, int64 in ``[0, folds)``; sizes differ by one at most, in all and by class.
    """
    shuffled = torch.randperm(len(labels), generator=stream(seed, "suspects", "folds"))
    order = shuffled[torch.argsort(labels[shuffled], stable=True)]
    fold = torch.empty_like(labels)
    fold[order] = torch.arange(len(labels)) % folds
    return fold


def held_out_probs(
    dataset: Dataset,
    model: str,
    loss: nn.Module,
    config: TrainConfig,
    *,
    folds: int,
    on_epoch: OnEpoch | None = None,
) -> HeldOut | None:
    """Train once for each fold on the others, and predict it; None if a training diverged.

    Args:
        dataset: as the run has it, before its label noise; that is added first, so that it is the same.
        model: name of the classifier.
        loss: as for :func:`~evoloss.training.train`.
        config: of the run.
        folds: number of trainings, at least 2.
        on_epoch: called after each epoch.

    Raises:
        DataError: if there are fewer samples than folds, or too few for a training.
    """
    noisy = with_label_noise(dataset, config)
    labels = noisy.train.labels
    require_folds(folds, len(labels))
    config = replace(config, label_noise=0.0, validation_noise=False)
    fold = fold_of(labels, folds, config.seed)
    found = HeldOut(*(torch.zeros(len(labels), dataset.n_classes, dtype=torch.float32) for _ in range(2)))
    for place in range(folds):
        held_out = fold == place
        rest, watched = (Split(noisy.train.inputs[part], labels[part]) for part in (~held_out, held_out))
        _, outcome = train_and_observe(
            replace(noisy, train=rest, origin=None),
            model,
            loss,
            config,
            read_test=False,
            on_epoch=on_epoch,
            watched=watched,
        )
        if outcome.held_out_probs is None or outcome.held_out_logits is None:
            return None
        found.mean[held_out] = outcome.held_out_probs
        found.last[held_out] = with_masks(outcome.held_out_logits).softmax(dim=1)
    return found
