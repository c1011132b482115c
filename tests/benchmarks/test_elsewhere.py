"""Fine-tuning and a small transformer: their data and classifiers are what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmarks.sensing import elsewhere_models
from benchmarks.sensing.elsewhere import HALF, of_classes, table
from benchmarks.sensing.elsewhere_models import pretrained, small_transformer
from evoloss.data.dataset import Dataset, Split
from evoloss.models import CNNSmall
from evoloss.random_streams import stream


def whole() -> Dataset:
    labels = torch.arange(10).repeat(6)
    inputs = labels.to(torch.uint8)[:, None, None, None].expand(-1, 3, 8, 8).clone()
    split = Split(inputs, labels)
    return Dataset("made up", split, split, split, n_classes=10, class_names=tuple("abcdefghij"))


def test_the_other_half_has_labels_from_0_and_as_many_samples_of_each_class() -> None:
    data = of_classes(whole(), range(HALF, 10), 20)
    assert data.class_names == tuple("fghij")
    assert data.train.labels.bincount().tolist() == [4] * 5
    assert torch.equal(data.train.inputs[:, 0, 0, 0].long(), data.train.labels + HALF)
    assert len(data.validation) == 30


def test_a_transformer_depends_on_where_patches_are() -> None:
    model = small_transformer(input_shape=(3, 8, 8), n_classes=5).eval()
    images = torch.randn(2, 3, 8, 8, generator=stream(0, "images"))
    logits = model(images)
    assert logits.shape == (2, 5)
    assert not torch.allclose(logits, model(images.flip(3)), atol=1e-4)


def test_a_pretrained_network_has_its_features_and_a_new_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = CNNSmall(3, 5)
    save_file(before.state_dict(), tmp_path / "weights.safetensors")
    monkeypatch.setattr(elsewhere_models, "PRETRAINED", tmp_path / "weights.safetensors")
    model = pretrained(input_shape=(3, 8, 8), n_classes=5)
    after = model.state_dict()
    for name, value in before.state_dict().items():
        assert torch.equal(value, after[name]) == (name != "head.weight"), name


def test_the_table_has_means_and_what_was_not_run() -> None:
    runs = {
        f"{seed}": {"case": "fine-tuning", "loss": "gce", "noise": 0.4, "accuracy": accuracy}
        for seed, accuracy in enumerate((60.0, 61.0))
    }
    text = "\n".join(table(runs))
    assert "| fine-tuning | 40 % wrong | not run | 60.5 (60.0, 61.0) | not run |" in text
