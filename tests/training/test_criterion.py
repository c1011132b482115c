"""What a training says to its loss."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evoloss.errors import ConfigError
from evoloss.losses import LOSSES, EvolvedLoss
from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.losses.state import states_of
from evoloss.networks.kinds.sensing import SensingNetwork
from evoloss.networks.sensing.numbers import SensorNumbers
from evoloss.training import RunResult, TrainConfig, train
from evoloss.training.criterion import (
    prepared_criterion,
    sensed_noise_rate,
    training_arguments,
    try_criterion,
)
from tests.training.blobs import feature_blobs

CPU = torch.device("cpu")
CALLS: list[dict[str, Any]] = []
PLANS: list[dict[str, int]] = []


class Curious(CrossEntropyLoss):
    """A loss that asks for everything, and writes down what it is told."""

    training_arguments = ("index", "lr")

    def plan_training(
        self, *, n_samples: int, epochs: int | None = None, samples_per_epoch: int | None = None
    ) -> None:
        PLANS.append({"n_samples": n_samples, "epochs": epochs})

    def forward(self, input: Tensor, target: Tensor, **said: Any) -> Tensor:
        CALLS.append({"target": target, **said})
        return super().forward(input, target)


def test_a_training_says_its_length_and_each_step_its_samples_and_its_rate() -> None:
    CALLS.clear()
    PLANS.clear()
    dataset = feature_blobs()
    config = TrainConfig(epochs=2, batch_size=16, schedule="one_cycle", lr=0.1, accelerator="cpu")
    train(dataset, "mlp", Curious(), config)
    assert [{"n_samples": len(dataset.train), "epochs": 2}] == PLANS
    assert len(CALLS) == 2 * (len(dataset.train) // 16)
    for call in CALLS:
        assert torch.equal(dataset.train.labels[call["index"]], call["target"])
    rates = [call["lr"] for call in CALLS]
    assert max(rates) <= 0.1
    assert rates[-1] < rates[len(rates) // 3]
    half = len(CALLS) // 2
    seen = [torch.cat([call["index"] for call in part]).unique() for part in (CALLS[:half], CALLS[half:])]
    assert all(len(index) == 16 * half for index in seen)


def test_a_loss_is_prepared_as_a_copy_that_trains() -> None:
    loss = LOSSES["elr"]().eval()
    criterion = prepared_criterion(loss, CPU, n_samples=30, epochs=2, samples_per_epoch=24, world=2)
    assert criterion is not loss
    assert (criterion.training, criterion.n_samples, loss.training, loss.n_samples) == (True, 30, False, None)
    assert [state.synchronised for state in states_of(criterion)] == [True]
    other = prepared_criterion(
        nn.CrossEntropyLoss(), CPU, n_samples=30, epochs=2, samples_per_epoch=24, world=1
    )
    assert type(other) is nn.CrossEntropyLoss
    assert training_arguments(other, torch.arange(3), 0.1) == {}


@pytest.mark.parametrize("name", LOSSES)
def test_every_known_loss_trains(name: str) -> None:
    result = train(feature_blobs(), "mlp", LOSSES[name](), TrainConfig(epochs=8, batch_size=16, lr=0.1))
    assert not result.diverged
    assert result.test_accuracy is not None
    assert result.test_accuracy > 60


@pytest.mark.parametrize("epochs", [2, 6])
def test_a_training_ends_with_what_its_loss_has_sensed(epochs: int) -> None:
    loss = EvolvedLoss(SensingNetwork(), SensorNumbers.set_by_hand())
    config = TrainConfig(epochs=epochs, batch_size=16, lr=0.05, accelerator="cpu", label_noise=0.3)
    result = train(feature_blobs(), "mlp", loss, config)
    assert result.noise_rate is not None
    if epochs == 2:  # the last epoch is not over until another begins
        assert result.noise_rate.estimate is None
        assert result.noise_rate.reason.startswith("epochs that have been read: 1, needed: 2 (n_samples is ")
    else:
        assert result.noise_rate.estimate is not None
        assert result.noise_rate.low <= 0.3 <= result.noise_rate.high
    assert RunResult.from_dict(result.as_dict()) == result
    assert loss.noise_rate.reason.startswith("the size of the training set")


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), LOSSES["gce"](), EvolvedLoss("evolved-base")])
def test_of_a_loss_that_senses_nothing_nothing_is_recorded(loss: nn.Module) -> None:
    assert sensed_noise_rate(loss) is None
    result = train(feature_blobs(), "mlp", loss, TrainConfig(epochs=1, batch_size=16, accelerator="cpu"))
    assert result.noise_rate is None
    assert "noise_rate" not in result.as_dict()


class Returns(nn.Module):
    """A loss that returns what it is told to."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, logits: Tensor, target: Tensor) -> Any:
        self.calls += 1
        costs = nn.functional.cross_entropy(logits, target, reduction="none")
        answers = {
            "mean": costs.mean(),
            "rows": costs,
            "one": costs.mean()[None],
            "item": costs.mean().item(),
        }
        answers["detached"] = costs.mean().detach()
        return answers[self.kind]


WRONG = [
    ("rows", r"returned a tensor of shape \(\d+,\); expected a scalar, the mean over the batch"),
    ("one", r"returned a tensor of shape \(1,\); expected a scalar"),
    ("item", r"returned float; expected a tensor, the mean over the batch \(reduction='mean'\)"),
    ("detached", "returned a number without a gradient; it has to be computed from the logits"),
    ("absent", "failed with KeyError: 'absent'"),
]


@pytest.mark.parametrize(("kind", "message"), WRONG)
def test_a_loss_that_cannot_be_trained_by_is_found_before(kind: str, message: str) -> None:
    loss = Returns(kind)
    with pytest.raises(ConfigError, match=f"loss mine:Returns.*{message}"):
        try_criterion("mine:Returns", loss, n_classes=3)
    assert loss.calls == 0


@pytest.mark.parametrize(("kind", "message"), WRONG[:-1])
def test_and_in_a_training(kind: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"loss Returns {message}"):
        train(feature_blobs(), "mlp", Returns(kind), TrainConfig(epochs=1, batch_size=16))


def test_a_usable_loss_is_left_as_it_is() -> None:
    state, loss = torch.get_rng_state(), Returns("mean")
    try_criterion("mine:Returns", loss, n_classes=3)
    assert loss.calls == 0
    for other in (Curious(), LOSSES["elr"](), nn.CrossEntropyLoss()):
        try_criterion("other", other, n_classes=12)
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(ConfigError, match="expected a scalar"):
        try_criterion("gce:reduction=none", LOSSES["gce"](reduction="none"), n_classes=3)
    result = train(feature_blobs(), "mlp", loss, TrainConfig(epochs=8, batch_size=16, lr=0.1))
    assert result.test_accuracy is not None
    assert result.test_accuracy > 60
