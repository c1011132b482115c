"""The mean of a loss as a metric: that of all batches as one, however they are cut."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evoloss import make_loss
from evoloss.errors import ConfigError, UnknownNameError
from tests.integrations.plain_loop import CLASSES, assert_same_state, network, task, train_plainly

torchmetrics = pytest.importorskip("torchmetrics")

from evoloss.integrations.torchmetrics import LossMetric  # noqa: E402

WEIGHT = torch.tensor([0.5, 3.0, 1.0])
SIZES = [7, 1, 30, 22]


def data(kind: str) -> tuple[Tensor, Tensor]:
    """Logits and targets: indices of which some are ignored, distributions, or a label for each place."""
    generator = torch.Generator().manual_seed(3)
    shape = (60, CLASSES, 2) if kind == "places" else (60, CLASSES)
    logits = torch.randn(shape, generator=generator, dtype=torch.float32)
    if kind == "soft":
        return logits, torch.randn(shape, generator=generator, dtype=torch.float32).softmax(1)
    target = torch.randint(CLASSES, (60, *shape[2:]), generator=generator)
    target[::4] = -100
    target[7] = -100  # a batch of one, without a label
    return logits, target


def measured(metric: Any, logits: Tensor, target: Tensor) -> Tensor:
    for part, labels in zip(logits.split(SIZES), target.split(SIZES), strict=True):
        metric.update(part, labels)
    return metric.compute()


@pytest.mark.parametrize("kind", ["indices", "soft", "places"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "loss",
    [
        lambda **options: make_loss("gce", **options),
        lambda **options: make_loss("evolved-base", weight=WEIGHT, label_smoothing=0.1, **options),
        lambda **options: nn.CrossEntropyLoss(weight=WEIGHT, **options),
    ],
    ids=["plain", "class_weights", "of_torch"],
)
def test_the_mean_is_that_of_all_batches_as_one(kind: str, reduction: str, loss: Any) -> None:
    logits, target = data(kind)
    found = measured(LossMetric(loss(reduction=reduction)), logits, target)
    assert float(found) == pytest.approx(float(loss()(logits, target)), abs=1e-6)


def test_a_name_is_a_loss_and_reset_begins_anew() -> None:
    logits, target = data("indices")
    metric = LossMetric("gce")
    measured(metric, logits * 3, target)
    metric.reset()
    assert float(measured(metric, logits, target)) == pytest.approx(
        float(make_loss("gce")(logits, target)), abs=1e-6
    )


def test_no_label_at_all_is_nan() -> None:
    metric = LossMetric("gce")
    metric.update(torch.zeros(2, CLASSES), torch.full((2,), -100))
    assert metric.compute().isnan()


def test_processes_are_one() -> None:
    """Each of two processes gathers what both have; torchmetrics adds it up."""
    logits, target = data("indices")
    loss = make_loss("gce", weight=WEIGHT)
    halves = [LossMetric(loss), LossMetric(loss)]
    for metric, part, labels in zip(halves, logits.split([40, 20]), target.split([40, 20]), strict=True):
        metric.update(part, labels)
    states = {name: [getattr(metric, name) for metric in halves] for name in ("total", "divisor")}
    names = iter(states)
    halves[0].sync(dist_sync_fn=lambda value, group: states[next(names)], distributed_available=lambda: True)
    halves[0]._computed = None
    expected = float(loss(logits, target))
    assert float(halves[0].total / halves[0].divisor) == pytest.approx(expected, abs=1e-6)


def test_a_loss_that_follows_its_training_is_watched_and_not_changed() -> None:
    x, y = task()
    criterion, model = make_loss("adaptive", n_samples=len(x)), network()
    metric = LossMetric(criterion)
    before = float(measured(metric, model(x), y))
    train_plainly(criterion, 6, n=600, wrong=240)
    state = copy.deepcopy(criterion)
    metric.reset()
    after = float(measured(metric, model(x), y))
    with torch.no_grad():
        assert after == pytest.approx(float(criterion(model(x), y)), abs=1e-6)
    assert after != pytest.approx(before, abs=1e-4), "it costs what it costs in its training by now"
    assert_same_state(criterion, state)
    assert metric.state_dict() == {}


def test_it_is_a_metric_among_others() -> None:
    logits, target = data("indices")
    target = target.clamp(min=0)
    both = torchmetrics.MetricCollection(
        {"loss": LossMetric("gce"), "accuracy": torchmetrics.Accuracy(task="multiclass", num_classes=CLASSES)}
    )
    again = pickle.loads(pickle.dumps(both.clone()))
    found = again(logits, target)
    assert float(found["loss"]) == pytest.approx(float(make_loss("gce")(logits, target)), abs=1e-6)
    assert both["loss"].higher_is_better is False


@pytest.mark.parametrize("loss", [nn.Linear(2, 2), 3, lambda logits, target: logits.sum()])
def test_what_has_no_reduction_is_an_error(loss: Any) -> None:
    with pytest.raises(ConfigError, match="without a reduction; expected a name"):
        LossMetric(loss)


def test_a_name_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'gce'"):
        LossMetric("gec")
