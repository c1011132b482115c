"""Dice plus a loss in MONAI: in place of the cross-entropy of DiceCELoss, and in its trainer."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from evoloss import make_loss
from tests.integrations.plain_loop import assert_same_state, order_of, weights

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("monai")
    from monai.data import MetaTensor
    from monai.losses import DiceCELoss, DiceFocalLoss

IMAGES, SIDE, CLASSES, BATCH, RATE = 8, 6, 3, 3, 0.2


def images() -> tuple[Tensor, Tensor]:
    """Images ``(N, 1, 6, 6)`` and masks of the same shape, of three levels of brightness."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.randint(CLASSES, (IMAGES, 1, SIDE, SIDE), generator=generator)
    noise = torch.randn(masks.shape, generator=generator, dtype=torch.float32)
    return masks + 0.3 * noise, masks


def network() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, CLASSES, 1))


def dice(logits: Tensor, mask: Tensor) -> Tensor:
    """The Dice loss by its definition, for each image and class."""
    probs = logits.softmax(1)
    target = nn.functional.one_hot(mask[:, 0], CLASSES).movedim(-1, 1).to(probs.dtype)
    both, one = (probs * target).sum((2, 3)), (probs + target).sum((2, 3))
    return (1 - (2 * both + 1e-5) / (one + 1e-5)).mean()


def dice_and(criterion: nn.Module, **options: Any) -> Any:
    loss = DiceCELoss(to_onehot_y=True, softmax=True, **options)
    loss.cross_entropy = criterion
    return loss


def orders(epoch: int) -> list[Tensor]:
    return list(order_of(epoch, IMAGES).split(BATCH))


def train_plainly(criterion: nn.Module, epochs: int = 2) -> nn.Module:
    (x, masks), model = images(), network()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    for epoch in range(epochs):
        for index in orders(epoch):
            logits = model(x[index])
            cost = dice(logits, masks[index]) + 0.5 * criterion(logits, masks[index][:, 0])
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
    return model


@pytest.mark.parametrize("name", ["gce", "evolved-noise", "adaptive"])
@pytest.mark.parametrize("wrap", [MetaTensor, Tensor])
def test_two_epochs_are_a_plain_loop(name: str, wrap: Any) -> None:
    options = {"n_samples": IMAGES * SIDE**2} if name == "adaptive" else {}
    expected, found = make_loss(name, **options), make_loss(name, **options)
    model = train_plainly(expected)
    loss, again, (x, masks) = dice_and(found, lambda_ce=0.5), network(), images()
    optimizer = torch.optim.SGD(again.parameters(), lr=RATE)
    for epoch in range(2):
        for index in orders(epoch):
            cost = loss(wrap(again(x[index])), wrap(masks[index]))
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
    assert (weights(model) - weights(network())).abs().max() > 1e-2
    assert weights(again) == pytest.approx(weights(model), abs=1e-6)
    assert_same_state(expected, found)


def test_class_weights_and_masks_of_probabilities_are_those_of_the_loss() -> None:
    (x, masks), weight = images(), torch.tensor([1.0, 4.0, 0.5])
    logits = network()(x).detach()
    loss = dice_and(make_loss("gce", weight=weight), lambda_dice=0.0)
    expected = make_loss("gce", weight=weight)
    assert float(loss(logits, masks)) == pytest.approx(float(expected(logits, masks[:, 0])), abs=1e-6)
    soft = logits.roll(1, 0).softmax(1)
    loss = DiceCELoss(softmax=True, lambda_dice=0.0)
    loss.cross_entropy = make_loss("gce")
    assert float(loss(logits, soft)) == pytest.approx(float(make_loss("gce")(logits, soft)), abs=1e-6)


def test_only_losses_with_a_cross_entropy_have_its_place() -> None:
    assert isinstance(DiceCELoss().cross_entropy, nn.CrossEntropyLoss)
    assert not hasattr(DiceFocalLoss(), "cross_entropy")


class Masks(torch.utils.data.Dataset[Any]):
    def __len__(self) -> int:
        return IMAGES

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        x, masks = images()
        return {"image": x[place], "label": masks[place]}


def in_the_trainer(folder: Path, criterion: nn.Module, *, epochs: int, begin: str | None = None) -> Any:
    """A training by MONAI's own trainer, with its own checkpoints; epochs in the order of the plain loop."""
    from monai.engines import SupervisedTrainer
    from monai.handlers import CheckpointLoader, CheckpointSaver

    model, loss = network(), dice_and(criterion, lambda_ce=0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    sampler = torch.utils.data.BatchSampler(Turns(2 if begin else 0), BATCH, drop_last=False)
    kept = {"net": model, "opt": optimizer, "loss": loss}
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=epochs,
        train_data_loader=DataLoader(Masks(), batch_sampler=sampler),
        network=model,
        optimizer=optimizer,
        loss_function=loss,
        train_handlers=[CheckpointSaver(str(folder), {**kept}, save_final=True, final_filename="last.pt")],
    )
    if begin:
        kept["trainer"] = trainer
        CheckpointLoader(begin, {name: kept[name] for name in ("net", "opt", "loss")}).attach(trainer)
    trainer.run()
    return model


class Turns(torch.utils.data.Sampler[int]):
    """The next order each time."""

    def __init__(self, begin: int) -> None:
        self.epoch = begin

    def __len__(self) -> int:
        return IMAGES

    def __iter__(self) -> Any:
        yield from order_of(self.epoch, IMAGES).tolist()
        self.epoch += 1


@pytest.mark.filterwarnings("ignore")
def test_a_training_that_resumes_is_one_that_was_not_stopped(tmp_path: Path) -> None:
    """Statistics are in the checkpoint of the trainer, beside the network."""
    pytest.importorskip("ignite")
    size = {"n_samples": IMAGES * SIDE**2}
    expected, first, second = (make_loss("adaptive", **size) for _ in range(3))
    model = train_plainly(expected, epochs=4)
    in_the_trainer(tmp_path, first, epochs=2)
    again = in_the_trainer(tmp_path / "again", second, epochs=2, begin=str(tmp_path / "last.pt"))
    assert weights(again) == pytest.approx(weights(model), abs=1e-6)
    assert_same_state(expected, second)
