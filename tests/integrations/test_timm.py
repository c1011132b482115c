"""Losses in the training loop of timm: mixup, augmentation splits, tasks, checkpoints, averages."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evoloss import make_loss
from evoloss.integrations.model_state import keep_state_in
from evoloss.networks import dense_agreements_of
from tests.integrations.plain_loop import (
    CLASSES,
    RATE,
    assert_same_state,
    batches,
    is_trained,
    network,
    task,
    train_plainly,
    weights,
)
from tests.integrations.torchvision_operators import import_torchvision

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        import_torchvision()
        import timm
        from timm.data import Mixup
        from timm.loss import JsdCrossEntropy
        from timm.models import resume_checkpoint
        from timm.utils import CheckpointSaver, ModelEmaV2
    except ImportError as error:
        pytest.skip(f"timm or torchvision is not installed: {error}", allow_module_level=True)

try:
    from timm.task import ClassificationTask
except ImportError:  # older versions have none: their loop calls model and loss
    ClassificationTask = None


def epoch_of(step: Any, model: nn.Module, optimizer: Any, epoch: int, mix: Any = None) -> None:
    """An epoch as ``train.py`` has it."""
    x, y = task()
    model.train()
    for index in batches(epoch):
        input, target = x[index], y[index]
        if mix is not None:
            input, target = mix(input, target)
        cost = step(input, target)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()


def step_of(model: nn.Module, criterion: Any) -> Any:
    """The cost of a batch by timm's task, if this version has one."""
    if ClassificationTask is None:
        return lambda input, target: criterion(model(input), target)
    of_timm = ClassificationTask(model, criterion, device=torch.device("cpu"), verbose=False)
    return lambda input, target: of_timm(input, target)["loss"]


def trained(
    criterion: Any,
    model: nn.Module | None = None,
    *,
    epochs: Any = range(2),
    mix: Any = None,
    average: Any = None,
) -> nn.Module:
    model = network() if model is None else model
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    step = step_of(model, criterion)
    for epoch in epochs:
        epoch_of(step, model, optimizer, epoch, mix)
        if average is not None:
            average.update(model)
    return model


@pytest.mark.parametrize("name", ["gce", "evolved-noise", "adaptive", "dal"])
def test_two_epochs_are_a_plain_loop(name: str) -> None:
    expected, found = make_loss(name), make_loss(name)
    model, _ = train_plainly(expected)
    found.plan_training(n_samples=60, epochs=2)
    again = trained(found)
    assert is_trained(model)
    assert weights(again) == pytest.approx(weights(model), abs=1e-6)
    assert_same_state(expected, found)


class Images(nn.Module):
    """A network of images, as timm's Mixup takes them."""

    def __init__(self) -> None:
        super().__init__()
        self.network = network()

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.flatten(1)[:, :5])


@pytest.mark.parametrize("name", ["gce", "evolved-noise", "adaptive"])
def test_mixup_and_cutmix_are_the_mean_over_both_labels(name: str) -> None:
    """timm mixes labels to probabilities, which cost what their labels cost, by their shares."""
    x, y = task()
    images = x[:, None, :, None].expand(-1, 3, -1, 4)[:16]
    found = []
    for criterion in (make_loss(name, reduction="none"), make_loss(name, reduction="none")):
        np.random.seed(0)  # noqa: NPY002 - that of timm
        mix = Mixup(
            mixup_alpha=0.8, cutmix_alpha=1.0, prob=1.0, mode="elem", label_smoothing=0.0, num_classes=CLASSES
        )
        input, target = mix(images.clone(), y[:16])
        logits = Images()(input).detach()
        if found:
            shares = target.to(logits.dtype)
            parts = [
                shares[:, k] * _cost_of(criterion, logits, target, torch.full((16,), k))
                for k in range(CLASSES)
            ]
            found.append(torch.stack(parts).sum(0))
        else:
            assert target.shape == (16, CLASSES)
            assert target.max(1).values.min() < 0.99
            found.append(criterion(logits, target))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-6)


def _cost_of(criterion: nn.Module, logits: Tensor, target: Tensor, label: Tensor) -> Tensor:
    """The cost of a label, where agreement is that of the mixed batch."""
    if not getattr(criterion, "is_paced", False):
        return criterion(logits, label)
    agreement = dense_agreements_of(logits.softmax(1), target)
    return criterion.class_costs(logits, agreement).gather(1, label[:, None])[:, 0]


def test_augmentation_splits_take_the_loss_for_clean_images() -> None:
    x, y = task()
    loss = JsdCrossEntropy(num_splits=3, alpha=12, smoothing=0.1)
    loss.cross_entropy_loss = make_loss("evolved-base", label_smoothing=0.1)
    logits = network()(torch.cat([x, x + 0.1, x - 0.1])).detach()
    found = loss(logits, y.repeat(3))
    parts = logits.double().split(len(x))
    probs = [part.softmax(1) for part in parts]
    mixed = torch.stack(probs).mean(0).log()
    divergence = sum((p * (p.log() - mixed)).sum(1).mean() for p in probs) / 3
    expected = make_loss("evolved-base", label_smoothing=0.1)(parts[0].float(), y) + 12 * divergence
    assert float(found) == pytest.approx(float(expected), abs=1e-6)


def test_two_epochs_with_splits_are_a_plain_loop() -> None:
    """As with AugMix: a batch holds the clean samples, then those that were changed."""

    def split(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cat([input, input + 0.1, input - 0.1]), target.repeat(3)

    loss = JsdCrossEntropy(num_splits=3, smoothing=None)
    loss.cross_entropy_loss = make_loss("gce")
    found = trained(loss, mix=split)

    def plain(logits: Tensor, target: Tensor) -> Tensor:
        parts = logits.chunk(3)
        probs = [part.softmax(1) for part in parts]
        mixed = torch.stack(probs).mean(0).clamp(1e-7, 1).log()
        divergence = sum((p * (p.log() - mixed)).sum(1).mean() for p in probs) / 3
        return make_loss("gce")(parts[0], target.chunk(3)[0]) + 12 * divergence

    model, x, y = network(), *task()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    for epoch in range(2):
        for index in batches(epoch):
            input, target = split(x[index], y[index])
            cost = plain(model(input), target)
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
    assert weights(found) == pytest.approx(weights(model), abs=1e-6)


def test_a_training_that_resumes_is_one_that_was_not_stopped(tmp_path: Path) -> None:
    expected = make_loss("adaptive")
    model, _ = train_plainly(expected, epochs=4)
    criterion, half = make_loss("adaptive", n_samples=60), network()
    keep_state_in(half, criterion)
    average = ModelEmaV2(half, decay=0.9)
    trained(criterion, half, average=average)
    optimizer = torch.optim.SGD(half.parameters(), lr=RATE)
    saver = CheckpointSaver(
        half, optimizer, model_ema=average, checkpoint_dir=str(tmp_path), recovery_dir=str(tmp_path)
    )
    saver.save_checkpoint(1, metric=0.5)
    fresh, again = make_loss("adaptive", n_samples=60), network()
    keep_state_in(again, fresh)
    assert resume_checkpoint(again, str(tmp_path / "last.pth.tar"), log_info=False) == 2
    assert_same_state(criterion, fresh)
    trained(fresh, again, epochs=range(2, 4))
    assert weights(again) == pytest.approx(weights(model), abs=1e-6)
    assert_same_state(expected, fresh)
    # The averaged weights are saved without what only a training knows, and load into any model.
    saved = torch.load(tmp_path / "last.pth.tar", weights_only=False)["state_dict_ema"]
    network().load_state_dict(saved)


def test_a_network_of_timm_trains() -> None:
    torch.manual_seed(0)
    model = timm.create_model("resnet10t", num_classes=CLASSES)
    mix = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, num_classes=CLASSES)
    criterion = make_loss("adaptive", n_samples=8)
    images, labels = torch.randn(4, 3, 32, 32, dtype=torch.float32), torch.tensor([0, 1, 2, 0])
    step, optimizer = step_of(model, criterion), torch.optim.SGD(model.parameters(), lr=0.01)
    before = weights(model)
    for _ in range(2):
        cost = step(*mix(images.clone(), labels))
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
    assert bool(cost.isfinite())
    assert (weights(model) - before).abs().max() > 0
    assert (
        float(criterion.loss_state.get_buffer("completed")) + float(criterion.loss_state.get_buffer("into"))
        > 0
    )
