from __future__ import annotations

import dataclasses

import pytest
import torch

from evoloss.errors import ConfigError
from evoloss.losses import LOSSES
from evoloss.training import RunResult, TrainConfig, train
from evoloss.training.label_noise import with_label_noise
from tests.training.blobs import feature_blobs


def test_without_noise_the_data_set_is_what_it_was() -> None:
    dataset = feature_blobs()
    assert with_label_noise(dataset, TrainConfig(validation_noise=True)) is dataset


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric"])
def test_validation_labels_are_as_noisy_where_that_is_asked_for(kind: str) -> None:
    dataset = feature_blobs(n_validation=60)
    config = TrainConfig(label_noise=0.4, noise_kind=kind, seed=3)  # type: ignore[arg-type]
    clean = with_label_noise(dataset, config)
    noisy = with_label_noise(dataset, dataclasses.replace(config, validation_noise=True))
    assert torch.equal(clean.validation.labels, dataset.validation.labels)
    assert int((noisy.validation.labels != dataset.validation.labels).sum()) == 24
    if kind == "asymmetric":
        assert set(((noisy.validation.labels - dataset.validation.labels) % 3).tolist()) == {0, 1}
    for split in (clean, noisy):
        assert torch.equal(split.train.labels, clean.train.labels), "what is trained on does not depend on it"
        assert torch.equal(split.test.labels, dataset.test.labels)
    again = with_label_noise(dataset, dataclasses.replace(config, validation_noise=True, seed=4))
    assert not torch.equal(again.validation.labels, noisy.validation.labels)


def test_a_run_is_judged_by_the_noisy_labels_and_says_so() -> None:
    dataset = feature_blobs(n_validation=60)
    config = TrainConfig(epochs=20, batch_size=30, label_noise=0.4, accelerator="cpu")
    clean, noisy = (
        train(dataset, "mlp", LOSSES["gce"](), dataclasses.replace(config, validation_noise=choice))
        for choice in (False, True)
    )
    assert clean.test_accuracy == noisy.test_accuracy, "the trainings are the same"
    assert clean.validation_accuracy > 90
    assert noisy.validation_accuracy < 75, "at most the share of right labels, about"
    assert (clean.validation_noise, noisy.validation_noise) == (False, True)
    document = clean.as_dict()
    del document["validation_noise"]
    assert RunResult.from_dict(document) == clean, "results from before there was the choice"


def test_it_is_true_or_false() -> None:
    with pytest.raises(ConfigError, match="validation_noise must be true or false; got 'yes'"):
        TrainConfig(validation_noise="yes")  # type: ignore[arg-type]
