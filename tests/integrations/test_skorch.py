"""Losses as the criterion of skorch: nothing is needed, a loss is an nn.CrossEntropyLoss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from evoloss import EvolvedLoss, make_loss
from tests.integrations.plain_loop import (
    BATCH,
    CLASSES,
    RATE,
    N,
    assert_same_state,
    is_trained,
    network,
    task,
    train_plainly,
    weights,
)

pytest.importorskip("skorch")
from skorch import NeuralNetClassifier


def net_of(criterion: Any, **options: Any) -> Any:
    given = {"lr": RATE, "max_epochs": 2, "batch_size": BATCH, "train_split": None, "verbose": 0}
    return NeuralNetClassifier(network(), criterion=criterion, **given | options)


@pytest.mark.parametrize("name", ["evolved-base", "evolved-noise", "adaptive"])
def test_two_epochs_are_a_plain_loop(name: str) -> None:
    size = {"criterion__n_samples": N} if name == "adaptive" else {}
    expected = make_loss(name)
    model, _ = train_plainly(expected, shuffle=False)
    x, y = task()
    net = net_of(EvolvedLoss, criterion__network=name, **size).fit(x, y)
    assert is_trained(model)
    assert weights(net.module_) == pytest.approx(weights(model), abs=1e-6)
    assert_same_state(expected, net.criterion_)
    torch.testing.assert_close(
        torch.from_numpy(net.predict_proba(x)), model(x).detach().softmax(1), rtol=0, atol=1e-6
    )


def test_a_training_that_resumes_is_one_that_was_not_stopped(tmp_path: Path) -> None:
    """skorch saves the criterion too, beside the network."""
    expected = make_loss("adaptive")
    model, _ = train_plainly(expected, epochs=4, shuffle=False)
    x, y = task()
    first, again = (
        net_of(EvolvedLoss, criterion__network="adaptive", criterion__n_samples=N) for _ in range(2)
    )
    files = {f"f_{part}": str(tmp_path / f"{part}.pt") for part in ("params", "optimizer", "criterion")}
    first.fit(x, y).save_params(**files)
    again.initialize().load_params(**files)
    again.partial_fit(x, y, classes=range(CLASSES))
    assert weights(again.module_) == pytest.approx(weights(model), abs=1e-6)
    assert_same_state(expected, again.criterion_)


def test_class_weights_are_an_option_of_the_criterion() -> None:
    weight = torch.tensor([1.0, 4.0, 0.5])
    x, y = task()
    net = net_of(EvolvedLoss, criterion__weight=weight, criterion__network="evolved-base").fit(x, y)
    model, _ = train_plainly(make_loss("evolved-base", weight=weight), shuffle=False)
    assert weights(net.module_) == pytest.approx(weights(model), abs=1e-6)
