"""The judgement of a trained classifier: validation along the way, and one look at the test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from evoloss.data import Dataset, Split
from evoloss.losses import NoiseRate
from evoloss.training.learner import Learner
from evoloss.training.masked import with_masks
from evoloss.training.metrics import Evaluation, balanced_accuracy, chance, evaluate_logits
from evoloss.training.outcome import Outcome, mean_probs
from evoloss.training.run_result import History, RunIdentity, RunResult
from evoloss.training.temperature import fit_temperature


@dataclass
class TrainingLog:
    """The record of a training so far: losses, evaluations, the best epoch."""

    train_loss: list[float | None]
    train_accuracy: list[float | None]
    validation: list[Evaluation | None]
    best_epoch: int = 0
    best_weights: dict[str, Tensor] | None = None
    validation_logits: Tensor | None = None
    watched_probs: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0
    diverged: bool = False

    def is_stuck(self, patience: int | None) -> bool:
        """Tell whether early stopping ends the training after the last epoch that was looked at."""
        return patience is not None and 0 < self.best_epoch <= len(self.validation) - patience

    @property
    def best(self) -> Evaluation | None:
        """The best look at the validation split; None before there was one."""
        return self.validation[self.best_epoch - 1] if self.best_epoch else None


def validate(learner: Learner, validation: Split, log: TrainingLog) -> Evaluation | None:
    """Look at the validation split; None if what comes out are no predictions."""
    log.validation_logits = learner.predict(validation)
    return evaluate_logits(log.validation_logits, validation.labels)


def settle(learner: Learner, log: TrainingLog, dataset: Dataset) -> Evaluation:
    """Take the weights to be judged, those of the best epoch under early stopping; judge the validation."""
    at_chance = chance(dataset.n_classes)
    if learner.config.early_stopping is None or log.diverged or log.best_weights is None:
        return at_chance if log.diverged else log.validation[-1] or at_chance
    learner.model.load_state_dict(log.best_weights)
    return validate(learner, dataset.validation, log) or at_chance


def observe(
    learner: Learner, log: TrainingLog, train: Split, watched: Split | None, test_logits: Tensor | None
) -> Outcome:
    """Collect what is left beside numbers; all processes of a training take part."""
    totals: Tensor | None = None
    if learner.record is not None:
        joint = learner.fabric.all_reduce(learner.record.totals(), reduce_op="sum")
        assert isinstance(joint, Tensor), "a tensor goes in"
        totals = joint
    watched = None if log.diverged else watched
    return Outcome(
        weights={name: value.detach().cpu().clone() for name, value in learner.model.state_dict().items()},
        test_logits=test_logits,
        train_logits=None if log.diverged or totals is None else learner.predict(train),
        train_probs=None if totals is None else mean_probs(totals),
        held_out_probs=None if watched is None else torch.stack(log.watched_probs).mean(dim=0),
        held_out_logits=None if watched is None else learner.predict(watched),
    )


UNTESTED: dict[str, Any] = dict.fromkeys(("test_accuracy", "test_nll", "test_ece", "best_test_accuracy"))
"""Test values of a run that only chooses something."""


def judge(learner: Learner, log: TrainingLog, dataset: Dataset, predicted: Tensor | None) -> dict[str, Any]:
    """Return the test values of a run, by their names in the result.

    Args:
        learner: with the weights to be judged; left with those of the best epoch.
        log: of the training.
        dataset: with the validation labels of the run.
        predicted: logits of the test split; None if the training diverged.
    """
    found = test_values(log, dataset, predicted)
    is_best = log.best_epoch == len(log.validation) or learner.config.early_stopping is not None
    if is_best or log.best_weights is None:
        return found
    learner.model.load_state_dict(log.best_weights)
    return found | best_values(learner.predict(dataset.test), dataset)


def test_values(log: TrainingLog, dataset: Dataset, predicted: Tensor | None) -> dict[str, Any]:
    """The test values of a classifier that is judged at its best epoch."""
    last = scaled = chance(dataset.n_classes)
    temperature, balanced = 1.0, last.accuracy
    if predicted is not None and log.validation_logits is not None:
        logits = with_masks(predicted)
        temperature = fit_temperature(log.validation_logits, dataset.validation.labels)
        last = evaluate_logits(logits, dataset.test.labels) or last
        scaled = evaluate_logits(logits.double() / temperature, dataset.test.labels) or scaled
        balanced = balanced_accuracy(logits, dataset.test.labels)
    return {
        "test_accuracy": last.accuracy,
        "balanced_accuracy": balanced,
        "test_nll": last.nll,
        "test_ece": last.ece,
        "temperature": temperature,
        "test_nll_scaled": scaled.nll,
        "test_ece_scaled": scaled.ece,
        **_best_of(last),
    }


def best_values(predicted: Tensor, dataset: Dataset) -> dict[str, Any]:
    """The test values of the best epoch, where that is not the one that is judged."""
    return _best_of(evaluate_logits(predicted, dataset.test.labels) or chance(dataset.n_classes))


def _best_of(best: Evaluation) -> dict[str, Any]:
    return {"best_test_accuracy": best.accuracy, "best_test_nll": best.nll, "best_test_ece": best.ece}


def run_result(
    identity: RunIdentity,
    log: TrainingLog,
    dataset: Dataset,
    validation: Evaluation,
    tested: Mapping[str, Any],
    *,
    n_parameters: int,
    noise_rate: NoiseRate | None,
) -> RunResult:
    """Put together what a training leaves in numbers.

    Args:
        identity: of the run.
        log: of its training.
        dataset: of the run.
        validation: of what is judged.
        tested: by their names in the result, or :data:`UNTESTED`.
        n_parameters: of the classifier.
        noise_rate: what the loss has sensed.
    """
    return RunResult(
        **asdict(identity),
        **tested,
        n_parameters=n_parameters,
        best_epoch=log.best_epoch,
        validation_accuracy=validation.accuracy,
        validation_nll=validation.nll,
        best_validation_accuracy=(log.best or chance(dataset.n_classes)).accuracy,
        train_seconds=log.seconds,
        diverged=log.diverged,
        noise_rate=noise_rate,
        history=History(
            train_loss=tuple(log.train_loss),
            train_accuracy=tuple(log.train_accuracy),
            validation_accuracy=tuple(look.accuracy if look else None for look in log.validation),
        ),
    )
