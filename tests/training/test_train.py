from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evoloss.data import Split, load_dataset
from evoloss.data.readers.cifar_classes import CIFAR10_CLASSES
from evoloss.errors import ConfigError, DataError, UnknownNameError
from evoloss.losses import LOSSES
from evoloss.training import EpochRecord, RunResult, TrainConfig, identify_run, train
from evoloss.training.learner import Learner
from tests.compare.runs import ADDED_VALUES, TEST_VALUES
from tests.training.blobs import feature_blobs, image_blobs

QUICK: dict[str, Any] = {"epochs": 4, "batch_size": 16, "lr": 0.05, "accelerator": "cpu"}


def _values(result: RunResult) -> dict[str, Any]:
    return {**result.as_dict(), "train_seconds": None}


class Spy(nn.Module):
    """Cross-entropy, or a constant times it, that keeps what it is called with."""

    seen: list[tuple[Tensor, Tensor]]

    def __init__(self, seen: list[tuple[Tensor, Tensor]], scale: float = 1.0) -> None:
        super().__init__()
        self.seen, self.scale = seen, scale

    def __deepcopy__(self, memo: dict[int, Any]) -> Spy:
        return self

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        self.seen.append((logits.detach().clone(), target.clone()))
        return self.scale * nn.functional.cross_entropy(logits, target)


def test_learns_separated_clusters() -> None:
    result = train(feature_blobs(), "mlp", nn.CrossEntropyLoss(), TrainConfig(**QUICK))
    assert result.test_accuracy is not None
    assert result.test_accuracy > 95
    assert not result.diverged
    assert result.n_parameters > 100
    losses = [value for value in result.history.train_loss if value is not None]
    assert len(losses) == len(result.history.validation_accuracy) == 4
    assert losses[-1] < losses[0] / 2
    accuracies = [value for value in result.history.train_accuracy if value is not None]
    assert len(accuracies) == 4
    assert accuracies[0] < accuracies[-1] <= 100
    assert accuracies[-1] > 90


@pytest.mark.parametrize("augment", ["none", "standard"])
def test_same_config_gives_the_same_bits_and_leaves_the_global_generator_alone(augment) -> None:
    dataset, config = image_blobs(), TrainConfig(**{**QUICK, "epochs": 2, "augment": augment})
    torch.manual_seed(1)
    first = train(dataset, "cnn", LOSSES["cross_entropy"](), config)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))
    torch.manual_seed(2)
    assert _values(train(dataset, "cnn", LOSSES["cross_entropy"](), config)) == _values(first)
    other = train(dataset, "cnn", LOSSES["cross_entropy"](), dataclasses.replace(config, seed=1))
    assert other.history.train_loss != first.history.train_loss


def test_runs_with_different_losses_are_paired() -> None:
    """Equal weights (so equal first logits), batches and noisy labels, whatever the loss does afterwards."""
    seen: list[list[tuple[Tensor, Tensor]]] = [[], []]
    config = TrainConfig(**QUICK, label_noise=0.4)
    for calls, scale in zip(seen, (1.0, 0.3), strict=True):
        train(feature_blobs(), "mlp", Spy(calls, scale), config)
    assert torch.equal(seen[0][0][0], seen[1][0][0]), "first logits: initial weights and first batch"
    assert not torch.equal(seen[0][-1][0], seen[1][-1][0]), "the two losses do train differently"
    targets = [torch.cat([target for _, target in calls]) for calls in seen]
    assert len(targets[0]) == 4 * (120 // 16) * 16
    assert torch.equal(targets[0], targets[1])


def test_label_noise_touches_training_labels_only() -> None:
    dataset = feature_blobs()
    before = [dataset.train.labels.clone(), dataset.validation.labels.clone(), dataset.test.labels.clone()]
    seen: list[tuple[Tensor, Tensor]] = []
    train(dataset, "mlp", Spy(seen), TrainConfig(**{**QUICK, "batch_size": 120}, label_noise=0.4))
    counts = torch.bincount(seen[0][1], minlength=3)
    assert not torch.equal(counts, torch.tensor([40, 40, 40])), "some labels were replaced"
    for old, split in zip(before, (dataset.train, dataset.validation, dataset.test), strict=True):
        assert torch.equal(old, split.labels)


def test_asymmetric_noise_confuses_the_classes_that_papers_confuse_in_a_known_data_set() -> None:
    counts = {}
    blobs = feature_blobs(n_train=200, n_classes=10)
    for name, class_names in {
        "blobs": blobs.class_names,
        "cifar10": tuple("0123456789"),  # a user's file of that name, whose classes could be anything
        "my_images": CIFAR10_CLASSES,
    }.items():
        dataset = replace(blobs, name=name, class_names=class_names)
        seen: list[tuple[Tensor, Tensor]] = []
        noise = {"label_noise": 0.5, "noise_kind": "asymmetric", "batch_size": 200, "epochs": 1}
        train(dataset, "mlp", Spy(seen), TrainConfig(**{**QUICK, **noise}))
        counts[name] = torch.bincount(seen[0][1], minlength=10).tolist()
    # Unknown data: half of a class goes to the next. CIFAR-10: half of the birds (2) become airplanes (0),
    # of the deer (4) horses (7), of the trucks (9) automobiles (1); cats and dogs change places.
    assert counts["blobs"] == counts["cifar10"] == [20] * 10
    assert counts["my_images"] == [30, 30, 10, 20, 10, 20, 20, 30, 20, 10]


def test_asymmetric_noise_on_a_file_that_has_the_name_of_a_known_data_set(tmp_path: Path) -> None:
    labels = torch.arange(90).numpy() % 3
    rows = torch.randn(90, 4, generator=torch.Generator().manual_seed(0)).numpy()
    np.savez(tmp_path / "cifar10.npz", x_train=rows, y_train=labels, x_test=rows, y_test=labels)
    dataset = load_dataset(str(tmp_path / "cifar10.npz"), validation=0.2)
    noise = {"label_noise": 0.4, "noise_kind": "asymmetric"}
    assert train(dataset, "mlp", nn.CrossEntropyLoss(), TrainConfig(**{**QUICK, **noise})).n_classes == 3


def test_the_test_split_is_read_once_after_training(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = feature_blobs()
    looks: list[str] = []
    names = {id(dataset.validation): "validation", id(dataset.test): "test"}
    original = Learner.predict

    def watched(self: Learner, split: Split):
        looks.append(names[id(split)])
        return original(self, split)

    monkeypatch.setattr(Learner, "predict", watched)
    result = train(dataset, "mlp", nn.CrossEntropyLoss(), TrainConfig(**QUICK))
    assert result.best_epoch < 4, "last and best weights differ, so there are two evaluations"
    assert looks == ["validation"] * 4 + ["test"] * 2
    looks.clear()
    tuning = train(dataset, "mlp", nn.CrossEntropyLoss(), TrainConfig(**QUICK), read_test=False)
    assert looks == ["validation"] * 4
    assert {getattr(tuning, name) for name in (*TEST_VALUES, *ADDED_VALUES)} == {None}
    assert tuning.validation_accuracy == result.validation_accuracy


def test_best_epoch_is_chosen_on_validation() -> None:
    dataset = feature_blobs(spread=2.5)
    config = TrainConfig(**{**QUICK, "epochs": 8, "lr": 0.3}, schedule="constant")
    result = train(dataset, "mlp", nn.CrossEntropyLoss(), config)
    curve = [value for value in result.history.validation_accuracy if value is not None]
    assert result.best_validation_accuracy == max(curve)
    assert result.best_epoch == curve.index(max(curve)) + 1
    assert 1 <= result.best_epoch < 8
    # The same training, cut at the best epoch, has those weights: the rate is constant.
    cut = train(dataset, "mlp", nn.CrossEntropyLoss(), dataclasses.replace(config, epochs=result.best_epoch))
    assert cut.test_accuracy == result.best_test_accuracy
    assert cut.test_accuracy != result.test_accuracy


def test_temperature_scaling_mends_a_loss_that_ends_over_confident() -> None:
    dataset = feature_blobs(n_train=60, n_validation=200, spread=2.5)
    config = TrainConfig(**{**QUICK, "epochs": 30, "lr": 0.1})
    result = train(dataset, "mlp", nn.CrossEntropyLoss(), config)
    assert result.temperature is not None
    assert result.test_nll is not None
    assert result.test_nll_scaled is not None
    assert result.test_ece is not None
    assert result.test_ece_scaled is not None
    assert result.temperature > 1.5
    assert result.test_nll_scaled < result.test_nll
    assert result.test_ece_scaled < result.test_ece
    assert result.best_test_nll is not None, "the early epoch is less confident"
    assert result.best_test_nll < result.test_nll


def test_eval_every_skips_epochs_but_not_the_last() -> None:
    config = TrainConfig(**{**QUICK, "epochs": 5}, eval_every=3)
    curve = train(feature_blobs(), "mlp", nn.CrossEntropyLoss(), config).history.validation_accuracy
    assert [value is not None for value in curve] == [False, False, True, False, True]


def test_symmetric_noise_treats_the_classes_of_a_known_data_set_alike() -> None:
    dataset = replace(feature_blobs(n_train=200, n_classes=10), class_names=CIFAR10_CLASSES)
    seen: list[tuple[Tensor, Tensor]] = []
    noise = {"label_noise": 0.9, "batch_size": 200, "epochs": 1}
    train(dataset, "mlp", Spy(seen), TrainConfig(**{**QUICK, **noise}))
    changed = int((seen[0][1].bincount(minlength=10) != 20).sum())
    assert changed >= 6, "also the classes that asymmetric noise leaves clean, and those it sends away"


class Explodes(nn.Module):
    """Cross-entropy for a number of steps, then nothing finite."""

    def __init__(self, finite_steps: int, value: float) -> None:
        super().__init__()
        self.left, self.value = finite_steps, value

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        self.left -= 1
        factor = 1.0 if self.left >= 0 else self.value
        return factor * nn.functional.cross_entropy(logits, target)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("finite_steps", [0, 14, 17])
def test_a_run_that_diverges_stops_and_is_scored_as_chance(finite_steps: int, value: float) -> None:
    result = train(feature_blobs(), "mlp", Explodes(finite_steps, value), TrainConfig(**QUICK))
    assert result.diverged
    assert result.test_accuracy == pytest.approx(100 / 3)
    assert result.test_nll == result.test_nll_scaled == pytest.approx(math.log(3))
    assert result.temperature == 1.0
    finished = finite_steps // 7
    assert len(result.history.train_loss) == finished + 1
    assert result.history.train_loss[-1] is None
    assert (result.best_epoch > 0) is (finished > 0)
    if finished == 0:
        assert result.best_test_accuracy == pytest.approx(100 / 3)


def test_weights_that_explode_after_a_finite_epoch_count_as_diverged() -> None:
    """One step an epoch with an enormous rate: the loss before it is finite, the outputs after it are not."""
    config = TrainConfig(
        **{**QUICK, "batch_size": 120, "lr": 1e30, "epochs": 2}, schedule="constant", clip_grad=None
    )
    result = train(feature_blobs(), "mlp", nn.CrossEntropyLoss(), config)
    assert result.diverged
    assert result.history.train_loss[0] is not None
    assert result.history.validation_accuracy == (None,)


def test_clipping_bounds_the_step() -> None:
    """A loss that is 1000 times as steep trains alike once its gradient is clipped, and not otherwise."""
    config = TrainConfig(**{**QUICK, "weight_decay": 0.0}, clip_grad=0.1)
    unscaled, steep = (
        train(feature_blobs(), "mlp", Spy([], scale), config).history.validation_accuracy
        for scale in (1.0, 1000.0)
    )
    assert max(abs(a - b) for a, b in zip(unscaled, steep, strict=True) if a and b) < 15
    free = dataclasses.replace(config, clip_grad=None)
    wild = train(feature_blobs(), "mlp", Spy([], 1000.0), free)
    assert wild.diverged or (wild.history.train_loss[-1] or 0) > 1000 * 0.1


def test_the_loss_itself_is_not_touched() -> None:
    loss = nn.CrossEntropyLoss(weight=torch.ones(3))
    before = loss.weight
    train(feature_blobs(), "mlp", loss, TrainConfig(**QUICK))
    assert loss.weight is before


def test_progress_is_told_after_each_epoch() -> None:
    calls: list[EpochRecord] = []

    def draw(record: EpochRecord) -> None:
        torch.rand(7)
        calls.append(record)

    quiet = train(feature_blobs(), "mlp", nn.CrossEntropyLoss(), TrainConfig(**QUICK))
    result = train(feature_blobs(), "mlp", nn.CrossEntropyLoss(), TrainConfig(**QUICK), on_epoch=draw)
    assert [(call.epoch, call.epochs) for call in calls] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert calls == result.epoch_records()
    assert tuple(call.train_loss for call in calls) == result.history.train_loss
    assert {(call.loss, call.seed, call.lr, call.run) for call in calls} == {
        (result.loss, result.seed, result.lr, None)
    }
    assert _values(quiet) == _values(result)


def test_identity_is_part_of_the_result() -> None:
    config = TrainConfig(**QUICK)
    identity = identify_run(feature_blobs(), "mlp", nn.CrossEntropyLoss(), config, loss_name="ce")
    result = train(feature_blobs(), "mlp", nn.CrossEntropyLoss(), config, loss_name="ce")
    document = result.as_dict()
    # What only models of other libraries, or trees, have is left out of the results of others.
    told = {name: value for name, value in dataclasses.asdict(identity).items() if name in document}
    assert {name: document[name] for name in told} == told
    assert dataclasses.asdict(identity).keys() - told.keys() == {
        "backbone",
        "pretrained",
        "model_fingerprint",
        "hessian",
    }
    assert (identity.loss, identity.device, identity.augment) == ("ce", "cpu", "none")


def test_bfloat16_keeps_the_loss_in_float32() -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    config = TrainConfig(**{**QUICK, "epochs": 1}, precision="bf16-mixed")
    result = train(feature_blobs(), "mlp", Spy(seen), config)
    assert not result.diverged
    assert {logits.dtype for logits, _ in seen} == {torch.float32}
    rounded = seen[-1][0].bfloat16().float()
    assert torch.equal(rounded, seen[-1][0]), "the classifier's outputs have the precision of bfloat16"


def test_errors() -> None:
    with pytest.raises(DataError, match="no validation split"):
        train(feature_blobs(n_validation=0), "mlp", nn.CrossEntropyLoss(), TrainConfig(**QUICK))
    with pytest.raises(UnknownNameError, match="mlpp"):
        train(feature_blobs(), "mlpp", nn.CrossEntropyLoss(), TrainConfig(**QUICK))
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="'cuda' is not available"):
            train(
                feature_blobs(), "mlp", nn.CrossEntropyLoss(), TrainConfig(**{**QUICK, "accelerator": "cuda"})
            )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gce", "dal", "base_mda", "ogc", "elr"])
def test_two_processes_train_as_one(name: str) -> None:
    """Plain SGD on two gloo processes: equal shares of each batch, so the same gradients up to rounding."""
    config = TrainConfig(**{**QUICK, "epochs": 3}, clip_grad=None)
    own = {"warmup": 1.0} if name == "base_mda" else {}
    one = train(feature_blobs(), "mlp", LOSSES[name](**own), config)
    two = train(feature_blobs(), "mlp", LOSSES[name](**own), dataclasses.replace(config, devices=2))
    assert two.devices == 2
    assert two.history.train_loss == pytest.approx(one.history.train_loss, rel=1e-4)
    assert two.test_nll == pytest.approx(one.test_nll, rel=1e-3)
    assert two.test_accuracy == one.test_accuracy
