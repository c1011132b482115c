"""Losses in the Learner of fastai: a plain loop, predictions, statistics that are saved with the model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from evoloss import make_loss
from evoloss.errors import ConfigError
from evoloss.losses import strip_loss_state
from tests.integrations.plain_loop import (
    BATCH,
    CLASSES,
    RATE,
    N,
    Order,
    assert_same_state,
    is_trained,
    network,
    task,
    train_plainly,
    weights,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    fastai = pytest.importorskip("fastai")
    from fastai.callback.mixup import MixUp
    from fastai.data.core import DataLoaders, Datasets
    from fastai.learner import Learner, load_learner
    from fastai.optimizer import SGD
    from fastai.torch_core import TensorBase, TensorCategory

    from evoloss.integrations.fastai import EvolvedLossFlat, LossCallback

# fastai's own; it says so itself of pickles.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*pickle"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:Your training set is empty"),
    pytest.mark.filterwarnings("ignore:.*pin_memory"),
]


class Turns(Order):
    """The next order each time."""

    def __iter__(self) -> Iterator[int]:
        yield from super().__iter__()
        self.epoch += 1


def learner(
    folder: Path, loss: Any, *callbacks: Any, begin: int = 0, model: nn.Module | None = None, **options: Any
) -> Any:
    x, y = task()
    order = Turns()
    order.epoch = begin
    given = {"batch_size": BATCH, "sampler": order} | options
    data = TensorDataset(x, y, torch.arange(N))
    loaders = DataLoaders(DataLoader(data, **given), DataLoader(data, BATCH))
    loaders.n_inp = 1  # two targets: the label, and the place of the sample
    return Learner(
        loaders, model or network(), loss_func=loss, opt_func=SGD, lr=RATE, path=folder, cbs=[*callbacks]
    )


def fit(learn: Any, epochs: int) -> None:
    with learn.no_logging():
        learn.fit(epochs)


class Plain(EvolvedLossFlat):
    """A loss that does not ask for places, and is given them."""

    def forward(self, input: Tensor, target: Tensor, index: Tensor | None = None, **training: Any) -> Tensor:
        asks = "index" in self.criterion.training_arguments
        return super().forward(input, target, index if asks else None, **training)


@pytest.mark.parametrize("name", ["gce", "evolved-noise", "adaptive", "elr", "ogc", "dal"])
def test_two_epochs_are_a_plain_loop(name: str, tmp_path: Path) -> None:
    expected = make_loss(name)
    model, _ = train_plainly(expected)
    learn = learner(tmp_path, Plain(name), LossCallback())
    fit(learn, 2)
    assert is_trained(model)
    assert weights(learn.model) == pytest.approx(weights(model), abs=1e-6)
    assert_same_state(expected, learn.loss_func.criterion)
    assert not learn.loss_func.criterion._forward_pre_hooks


@pytest.mark.parametrize("name", ["adaptive", "elr", "ogc"])
def test_what_is_saved_and_loaded_goes_on(name: str, tmp_path: Path) -> None:
    expected = make_loss(name)
    model, _ = train_plainly(expected, epochs=4)
    first = learner(tmp_path, Plain(name), LossCallback())
    fit(first, 2)
    first.save("half")
    again = learner(tmp_path, Plain(name), LossCallback(), begin=2)
    again.load("half")
    assert_same_state(first.loss_func.criterion, again.loss_func.criterion)
    fit(again, 2)
    assert weights(again.model) == pytest.approx(weights(model), abs=1e-6)
    assert_same_state(expected, again.loss_func.criterion)
    # A Learner with another loss takes the model alone.
    saved = torch.load(tmp_path / "models/half.pth", weights_only=False)["model"]
    assert set(strip_loss_state(saved)) == set(network().state_dict())
    other = network()
    other.load_state_dict(strip_loss_state(saved))
    assert torch.equal(weights(other), weights(first.model))
    # And one without them leaves the statistics as they are.
    again.model.load_state_dict(network().state_dict())
    assert_same_state(expected, again.loss_func.criterion)


def features_of(place: int) -> Tensor:
    return task()[0][place]


def label_of(place: int) -> Tensor:
    return task()[1][place]


def test_an_exported_learner_predicts_and_knows_what_its_loss_knew(tmp_path: Path) -> None:
    x, y = task()
    data = Datasets(list(range(N)), [[features_of], [label_of]])
    loaders = DataLoaders.from_dsets(data, data, bs=BATCH, device="cpu")
    loss = EvolvedLossFlat("adaptive")
    learn = Learner(loaders, network(), loss_func=loss, opt_func=SGD, path=tmp_path, cbs=LossCallback())
    fit(learn, 2)
    before = str(loss.noise_rate)
    assert "n_samples is 48" in before  # this loader leaves the last batch out
    probs, target, classes, cost = learn.get_preds(with_decoded=True, with_loss=True)
    logits = learn.model(x).detach()
    assert torch.allclose(probs, logits.softmax(1), atol=1e-6)
    assert torch.equal(classes, logits.argmax(1))
    assert torch.equal(target, y)
    assert cost.shape == (N,)
    assert float(cost.mean()) == pytest.approx(float(loss(logits, y)), abs=1e-6)
    assert loss.reduction == "mean"
    learn.export("all.pkl")
    found = load_learner(tmp_path / "all.pkl")
    assert torch.equal(weights(found.model), weights(learn.model))
    assert str(found.loss_func.noise_rate) == before
    assert_same_state(loss, found.loss_func)


def test_an_epoch_has_the_samples_that_are_trained_on(tmp_path: Path) -> None:
    def size(*callbacks: Any, **options: Any) -> int:
        learn = learner(tmp_path, Plain("adaptive"), *callbacks, **options)
        fit(learn, 1)
        return int(learn.loss_func.criterion.loss_state.get_buffer("n_samples"))

    assert size(LossCallback()) == N
    assert size(LossCallback(), drop_last=True) == 48
    assert size(LossCallback(n_samples=7)) == 7


def test_mixup_shows_a_sample_twice(tmp_path: Path) -> None:
    x, y = task()
    loaders = DataLoaders(DataLoader(TensorDataset(x, y), BATCH), DataLoader(TensorDataset(x, y), BATCH))
    loss = EvolvedLossFlat("adaptive")
    learn = Learner(loaders, network(), loss_func=loss, opt_func=SGD, lr=RATE, cbs=[MixUp(), LossCallback()])
    fit(learn, 2)
    state = loss.criterion.loss_state
    assert int(state.get_buffer("n_samples")) == 2 * N
    assert float(state.get_buffer("completed")) * 2 * N + float(state.get_buffer("into")) == 4 * N


@pytest.mark.parametrize(("axis", "shape"), [(-1, (4, 5, CLASSES)), (1, (4, CLASSES, 5)), (-1, (4, CLASSES))])
@pytest.mark.parametrize("soft", [False, True])
def test_costs_are_those_of_rows(axis: int, shape: tuple[int, ...], soft: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator, dtype=torch.float32)
    rows = logits.movedim(axis, -1).reshape(-1, CLASSES)
    if soft:
        target = torch.randn(shape, generator=generator, dtype=torch.float32).softmax(axis)
        expected = make_loss("gce")(rows, target.movedim(axis, -1).reshape(-1, CLASSES))
    else:
        target = torch.randint(CLASSES, (len(rows),), generator=generator)
        expected = make_loss("gce")(rows, target)
        target = target.reshape(4, -1, 1).to(torch.int32)
    loss = EvolvedLossFlat("gce", axis=axis)
    found = loss(TensorBase(logits), TensorBase(target) if soft else TensorCategory(target))
    assert type(found) is Tensor
    assert float(found) == pytest.approx(float(expected), abs=1e-6)
    assert torch.equal(loss.decodes(loss.activation(logits)), logits.argmax(axis))


def test_class_weights_and_smoothing_are_those_of_the_loss() -> None:
    weight = torch.tensor([1.0, 2.0, 3.0])
    x, y = task()
    loss = EvolvedLossFlat("gce", weight=weight, label_smoothing=0.1)
    expected = make_loss("gce", weight=weight, label_smoothing=0.1)
    logits = network()(x).detach()
    assert float(loss(logits, y)) == pytest.approx(float(expected(logits, y)))


def test_mistakes_have_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a name, or a loss of evoloss: fastai's BaseLoss"):
        EvolvedLossFlat(nn.CrossEntropyLoss())
    with pytest.raises(ConfigError, match="weight cannot be given with a loss that is made already"):
        EvolvedLossFlat(make_loss("gce"), weight=torch.ones(3))
    with pytest.raises(ConfigError, match=r"targets have shape \(3,\).*expected 4 targets, of shape \(4,\)"):
        EvolvedLossFlat("gce")(torch.zeros(4, 2), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ConfigError, match="loss_func is a CrossEntropyLoss; LossCallback is for an Evo"):
        learner(tmp_path, nn.CrossEntropyLoss(), LossCallback())
