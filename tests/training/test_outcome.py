from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from evoloss.data import Split
from evoloss.losses import LOSSES
from evoloss.models import build_model
from evoloss.training import RunResult, TrainConfig, train, train_and_observe
from evoloss.training.batches import Normaliser
from evoloss.training.metrics import balanced_accuracy, evaluate_logits
from tests.training.blobs import feature_blobs

QUICK: dict[str, Any] = {"epochs": 4, "batch_size": 16, "lr": 0.05, "accelerator": "cpu"}


def timeless(result: RunResult) -> RunResult:
    return replace(result, train_seconds=0.0)


@pytest.mark.parametrize("change", [{}, {"early_stopping": 2}, {"last_batch": "keep"}])
def test_a_training_that_is_observed_is_the_same(change: dict[str, Any]) -> None:
    config, data = TrainConfig(**QUICK, **change), feature_blobs(spread=2.5)
    result, outcome = train_and_observe(data, "mlp", nn.CrossEntropyLoss(), config)
    assert timeless(result) == timeless(train(data, "mlp", nn.CrossEntropyLoss(), config))
    assert outcome.test_logits is not None
    judged = evaluate_logits(outcome.test_logits, data.test.labels)
    assert judged is not None
    assert (judged.accuracy, judged.nll) == (result.test_accuracy, result.test_nll)
    assert result.balanced_accuracy == balanced_accuracy(outcome.test_logits, data.test.labels)
    model = build_model("mlp", input_shape=(6,), n_classes=3)
    model.load_state_dict(outcome.weights)
    again = model.eval()(Normaliser.of(data.train.inputs)(data.test.inputs))
    torch.testing.assert_close(again, outcome.test_logits)


def test_step_means_are_probabilities_of_the_samples_that_were_in_batches() -> None:
    data = feature_blobs(20)
    config = TrainConfig(**{**QUICK, "epochs": 1, "batch_size": 16})
    _, outcome = train_and_observe(data, "mlp", nn.CrossEntropyLoss(), config)
    assert outcome.train_probs is not None
    known = outcome.train_probs.isfinite().all(1)
    assert known.sum() == 16
    torch.testing.assert_close(outcome.train_probs[known].sum(1), torch.ones(16))
    assert bool(outcome.train_probs[~known].isnan().all())


def test_watched_samples_take_no_part_and_are_predicted_after_every_epoch() -> None:
    data = feature_blobs()
    watched = Split(data.test.inputs, data.test.labels)
    plain = train_and_observe(data, "mlp", nn.CrossEntropyLoss(), TrainConfig(**QUICK))
    result, outcome = train_and_observe(
        data, "mlp", nn.CrossEntropyLoss(), TrainConfig(**QUICK), watched=watched
    )
    assert timeless(result) == timeless(plain[0])
    assert outcome.held_out_logits is not None
    assert outcome.held_out_probs is not None
    assert outcome.test_logits is not None
    torch.testing.assert_close(outcome.held_out_logits, outcome.test_logits)
    torch.testing.assert_close(outcome.held_out_probs.sum(1), torch.ones(60))
    assert not torch.allclose(outcome.held_out_probs, outcome.test_logits.softmax(1))


def test_a_run_that_diverges_has_no_predictions() -> None:
    class Bad(nn.Module):
        def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return logits.sum() * torch.inf

    result, outcome = train_and_observe(feature_blobs(), "mlp", Bad(), TrainConfig(**QUICK))
    assert result.diverged
    assert result.balanced_accuracy == pytest.approx(100 / 3)
    assert outcome.test_logits is None


@pytest.mark.slow
def test_processes_that_share_batches_observe_together() -> None:
    config = TrainConfig(**{**QUICK, "epochs": 2}, devices=2)
    data = feature_blobs(192)  # whole batches, so that every sample is in one
    watched = Split(data.test.inputs, data.test.labels)
    result, outcome = train_and_observe(data, "mlp", LOSSES["gce"](), config, watched=watched)
    assert result.devices == 2
    assert outcome.train_probs is not None
    assert bool(outcome.train_probs.isfinite().all()), "of the batches of both"
    assert outcome.test_logits is not None
    assert outcome.held_out_logits is not None
    torch.testing.assert_close(outcome.held_out_logits, outcome.test_logits)


def test_early_stopping_waits_for_a_look_at_the_validation_split() -> None:
    config = TrainConfig(**{**QUICK, "epochs": 20}, early_stopping=1, eval_every=4, schedule="constant")
    found = train(feature_blobs(), "mlp", nn.CrossEntropyLoss(), config)
    assert found.best_epoch == 4
    assert len(found.history.train_loss) == 8


def test_too_many_training_predictions_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evoloss.training.outcome.MOST_CELLS", 300)
    _, outcome = train_and_observe(feature_blobs(), "mlp", nn.CrossEntropyLoss(), TrainConfig(**QUICK))
    assert (outcome.train_probs, outcome.train_logits) == (None, None)
    assert outcome.test_logits is not None


def test_early_stopping_takes_the_weights_of_the_best_epoch() -> None:
    data = feature_blobs(spread=2.5)
    config = TrainConfig(**{**QUICK, "epochs": 30}, schedule="constant")
    whole = train(data, "mlp", nn.CrossEntropyLoss(), config)
    found = train(data, "mlp", nn.CrossEntropyLoss(), replace(config, early_stopping=3))
    seen = len(found.history.train_loss)
    assert seen < 30, "else there is nothing to see"
    assert seen == found.best_epoch + 3
    assert found.history.train_loss == whole.history.train_loss[:seen]
    assert found.validation_accuracy == found.best_validation_accuracy
    assert found.test_accuracy == found.best_test_accuracy
    assert found.test_nll == found.best_test_nll
    upto = [value for value in whole.history.validation_accuracy[:seen] if value is not None]
    assert found.best_epoch == upto.index(max(upto)) + 1
