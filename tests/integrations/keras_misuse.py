"""Checks of what the losses for Keras refuse, on each backend; test_keras.py runs them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from evoloss import make_loss
from evoloss.errors import ConfigError, UnknownNameError
from evoloss.integrations.keras import EvolvedLoss, TrainingState
from tests.integrations.keras_checks import BACKEND, LABELS, LOGITS, blobs, cost, model

# What Keras says to NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_a_metric_counts_no_batch_twice() -> None:
    x, y, _ = blobs(40)
    network = model(TrainingState("adaptive", n_samples=40))
    loss = EvolvedLoss("adaptive", from_logits=True)
    network.compile("sgd", loss, metrics=[EvolvedLoss("adaptive", from_logits=True)])
    if BACKEND == "jax":  # whose trainer gives metrics other arrays
        with pytest.raises(ConfigError, match="As a metric take a loss that follows nothing"):
            network.fit(x, y, batch_size=10, verbose=0)
        return
    network.fit(x, y, batch_size=10, verbose=0)
    into = network.layers[-1].statistics()["into"]
    assert float(keras.ops.convert_to_numpy(into)) == 40


def test_an_index_that_is_no_class_costs_nan_or_is_the_error_of_torch() -> None:
    for wrong in (5, -1):
        labels = np.array([wrong, 1, 2])
        for smoothing in (0.0, 0.1):
            loss = EvolvedLoss("gce", from_logits=True, reduction=None, label_smoothing=smoothing)
            if BACKEND == "torch" and not smoothing:
                with pytest.raises(RuntimeError, match=f"index {wrong} is out of bounds"):
                    loss(labels, LOGITS[:3])
            else:
                assert np.isnan(cost(loss, labels, LOGITS[:3])).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("labels", "predictions", "said"),
    [
        (LABELS, LOGITS[:, 0], r"predictions have shape \(12,\); expected \(batch, ..., C\)"),
        (np.array(1), np.array(0.5), r"predictions have shape \(\)"),
        (LABELS, LOGITS[:, :1], r"one entry a sample; expected one a class: for two classes Dense\(2\)"),
        (LABELS[:3], LOGITS, r"labels have shape \(3,\), predictions \(12, 5\); expected class indices"),
        (LOGITS[:, :3], LOGITS, r"labels have shape \(12, 3\), predictions \(12, 5\)"),
        (LABELS, LOGITS[None], r"labels have shape \(12,\), predictions \(1, 12, 5\)"),
    ],
)
def test_shapes_that_do_not_fit_are_told(labels: Any, predictions: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        EvolvedLoss("gce", from_logits=True)(labels, predictions)


def test_mistakes_are_told() -> None:
    x, y, _ = blobs(40)
    cut_off = model(TrainingState("adaptive", n_samples=40), keras.layers.Softmax())
    for network in (model(), cut_off):
        network.compile("sgd", EvolvedLoss("adaptive", from_logits=True))
        with pytest.raises(ConfigError, match="add TrainingState\\('adaptive'"):
            network.fit(x, y, verbose=0)
    other = model(TrainingState("adaptive", n_samples=40))
    other.compile("sgd", EvolvedLoss("evolved-noise", from_logits=True))
    other.fit(x, y, verbose=0)  # which follows nothing
    with pytest.raises(ConfigError, match="works in PyTorch alone"):
        EvolvedLoss("elr")
    with pytest.raises(UnknownNameError, match="Did you mean 'gce'"):
        EvolvedLoss("gec")
    with pytest.raises(ConfigError, match="keeps no state"):
        TrainingState("gce", n_samples=10)
    with pytest.raises(ConfigError, match="n_samples"):
        TrainingState("adaptive", n_samples=0)
    with pytest.raises(ConfigError, match="by its name"):
        EvolvedLoss(make_loss("gce"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="by its name"):
        TrainingState(make_loss("adaptive"), n_samples=10)  # type: ignore[arg-type]
    other.compile("sgd", EvolvedLoss("adaptive:exact=True", from_logits=True))
    with pytest.raises(ConfigError, match="for loss 'adaptive', not for 'adaptive:exact=True'"):
        other.fit(x, y, verbose=0)
    with pytest.raises(ConfigError, match="training with 4 classes, and the predictions have 5"):
        other.layers[-1](LOGITS)
    for shape in ((None, None), (None, 1)):
        with pytest.raises(ConfigError, match="after predictions with an entry a class"):
            TrainingState("adaptive", n_samples=10).build(shape)
    with pytest.raises(ConfigError, match="from_logits must be True or False, got 'no'"):
        EvolvedLoss("gce", from_logits="no")  # type: ignore[arg-type]
    for ignored in (1.5, "a", True):
        with pytest.raises(ConfigError, match="ignore_class must be a class index or None"):
            EvolvedLoss("gce", ignore_class=ignored)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="label_smoothing must be a number at least 0 and at most 1"):
        EvolvedLoss("gce", label_smoothing=2)
    with pytest.raises(ValueError, match="reduction"):
        EvolvedLoss("gce", reduction="average")
