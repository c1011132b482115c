"""Sentences on settings of a comparison that a user should know before its first run."""

from __future__ import annotations

from evoloss.compare.config import CompareConfig
from evoloss.data import Dataset
from evoloss.models import names_trees
from evoloss.training.batches import epoch_samples
from evoloss.training.trees.parameters import TreeSpec

_LEFT_OUT = 0.05
"""Share of the training samples above which it is told that an epoch leaves them out."""
_HIGH_FOR_ADAMW = 0.01
_FEW_STEPS = 100
"""Steps of a whole training below which it is told that slower losses may not have learned yet."""


def cautions(config: CompareConfig, dataset: Dataset) -> list[str]:
    """Return a sentence for each setting that does something else than one may think.

    Args:
        config: of the comparison.
        dataset: as it was loaded.
    """
    if names_trees(config.model):
        return _of_trees(config)
    found = []
    n_train = len(dataset.train)
    seen = epoch_samples(n_train, config.batch_size, config.last_batch, world=config.devices)
    left_out = n_train - seen
    if left_out > _LEFT_OUT * n_train:
        found.append(
            f"each epoch leaves out {left_out:,} of {n_train:,} training samples, others every time, since "
            "they fill no batch: --last-batch auto trains on them too, and so does a smaller --batch-size"
        )
    batches = -(-seen // max(1, min(config.batch_size, n_train)))
    steps = config.epochs * batches
    if steps < _FEW_STEPS:
        found.append(
            f"a training has {steps} steps in all ({config.epochs} epochs of {batches}), where a loss "
            "that learns slower may look worse than it is: set --epochs higher, or --batch-size lower "
            "(in a longer training labels that are wrong are learned by heart: look at the curves)"
        )
    if config.optimizer == "adamw":
        rates = config.lr_grid if config.tune_lr else (config.lr,)
        if max(rates) > _HIGH_FOR_ADAMW:
            where = "--lr-grid" if config.tune_lr else "--lr"
            found.append(
                f"adamw with a learning rate of {max(rates):g}, which is for sgd; adamw mostly wants 0.0003 "
                f"to 0.003: set {where}"
            )
    if config.early_stopping is not None and config.schedule != "constant":
        found.append(
            f"early stopping with the schedule {config.schedule}, which is planned for all "
            f"{config.epochs} epochs: a run that stops early has not seen its low learning rates; "
            "--schedule constant has none"
        )
    if config.backbone == "frozen" and not config.pretrained:
        found.append(
            "the backbone is frozen at random weights, so that the head is all that learns: --pretrained "
            "starts from the library's weights"
        )
    return found


def _of_trees(config: CompareConfig) -> list[str]:
    found = []
    if len(config.seeds) > 1 and not config.label_noise and not TreeSpec.parse(config.model).is_random:
        found.append(
            f"all seeds are one training: {config.model} draws no rows and no features, so that nothing is "
            "left to a seed; leave subsample=1 out"
        )
    return found
