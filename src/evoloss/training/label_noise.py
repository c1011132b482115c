"""The labels that a training sees: those of a data set, with a share replaced."""

from __future__ import annotations

from dataclasses import replace

from evoloss.data import Dataset, Split
from evoloss.data.label_noise import noisy_labels, usual_confusions
from evoloss.random_streams import stream
from evoloss.training.config import TrainConfig


def with_label_noise(dataset: Dataset, config: TrainConfig) -> Dataset:
    """The data set with the label noise of a run, a function of its seed alone; test labels stay.

    Args:
        dataset: with clean labels, or with those of annotators, to which the noise is added.
        config: of the run: ``label_noise``, ``noise_kind``, ``validation_noise``, ``seed``.
    """
    if not config.label_noise:
        return dataset
    confusions = usual_confusions(dataset.class_names) if config.noise_kind == "asymmetric" else None

    def noisy(split: Split, *path: str) -> Split:
        labels = noisy_labels(
            split.labels,
            dataset.n_classes,
            config.label_noise,
            config.noise_kind,
            stream(config.seed, "label noise", *path),
            confusions=confusions,
        )
        return Split(split.inputs, labels)

    validation = noisy(dataset.validation, "validation") if config.validation_noise else dataset.validation
    return replace(dataset, train=noisy(dataset.train), validation=validation)
