from __future__ import annotations

import dataclasses

import torch
from torch import nn

from evoloss.data import Split
from evoloss.losses import LOSSES
from evoloss.training.fingerprints import fingerprint_dataset, fingerprint_loss
from tests.training.blobs import feature_blobs


def test_losses_differ_by_class_and_tensors() -> None:
    assert fingerprint_loss(LOSSES["gce"]()) == fingerprint_loss(LOSSES["gce"]())
    assert fingerprint_loss(LOSSES["gce"]()) != fingerprint_loss(LOSSES["cross_entropy"]())
    weighted = [nn.CrossEntropyLoss(weight=torch.tensor([1.0, w])) for w in (2.0, 3.0)]
    assert fingerprint_loss(weighted[0]) != fingerprint_loss(weighted[1])


def test_one_changed_label_or_value_changes_a_data_set() -> None:
    dataset = feature_blobs()
    labels, inputs = dataset.test.labels.clone(), dataset.train.inputs.clone()
    labels[0] = (labels[0] + 1) % 3
    inputs[5, 2] += 1e-6
    variants = [
        dataset,
        dataclasses.replace(dataset, test=Split(dataset.test.inputs, labels)),
        dataclasses.replace(dataset, train=Split(inputs, dataset.train.labels)),
    ]
    assert len({fingerprint_dataset(variant) for variant in variants}) == 3
    assert fingerprint_dataset(feature_blobs()) == fingerprint_dataset(dataset)
