"""Trees in growth: round by round, with a look at the validation split after each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from evoloss.data import Dataset
from evoloss.integrations.boosting import BoostingObjective
from evoloss.training.config import TrainConfig
from evoloss.training.metrics import Evaluation, evaluate_logits
from evoloss.training.outcome import StepRecord
from evoloss.training.stages.judging import TrainingLog
from evoloss.training.trees.ensembles import Ensemble

TRAIN, VALIDATION, WATCHED = 0, 1, 2
"""Places of the splits in an ensemble."""


@dataclass
class Growing:
    """Trees, what they are grown with, and what came so far.

    Attributes:
        ensemble: the trees.
        objective: the loss; None for the library's own.
        dataset: with the labels of the run.
        config: of the training.
        records: probabilities of the rows of splits, added up over the rounds, by place; those that are
            wanted.
        log: of the rounds.
        at_best: the sums of ``records`` when the best round was done.
    """

    ensemble: Ensemble
    objective: BoostingObjective | None
    dataset: Dataset
    config: TrainConfig
    records: Mapping[int, StepRecord]
    log: TrainingLog = field(default_factory=lambda: TrainingLog([], [], []))
    at_best: dict[int, Tensor] = field(default_factory=dict)

    @property
    def rounds(self) -> int:
        """The rounds that are judged: those of the best look under early stopping, else all."""
        if self.config.early_stopping is not None and self.log.best_epoch:
            return self.log.best_epoch
        return len(self.log.validation)

    def grow(self, on_round: Callable[[], None] | None = None) -> None:
        """Grow all rounds, or until early stopping ends it, nothing is left to split or numbers run away."""
        log, labels = self.log, self.dataset.train.labels
        for _ in range(self.config.epochs):
            before = self.ensemble.scores(TRAIN)
            log.diverged = not bool(before.isfinite().all())
            if log.diverged:
                break
            start = time.perf_counter()
            grew = self.ensemble.grow()
            log.seconds += time.perf_counter() - start
            if not grew:
                break
            made = self.objective
            cost = float(F.cross_entropy(before, labels)) if made is None else made.mean_cost
            log.train_loss.append(cost if math.isfinite(cost) else None)
            log.train_accuracy.append(100 * float((before.argmax(dim=1) == labels).double().mean()))
            self._look(before)
            if on_round is not None:
                on_round()
            if log.diverged or log.is_stuck(self.config.early_stopping):
                break

    def _look(self, before: Tensor) -> None:
        log = self.log
        log.validation_logits = self.ensemble.scores(VALIDATION)
        look = evaluate_logits(log.validation_logits, self.dataset.validation.labels)
        log.validation.append(look)
        log.diverged = look is None
        for place, record in self.records.items():
            scores = before if place == TRAIN else self.ensemble.scores(place)
            record.add(torch.arange(len(scores)), scores)
        if look is not None and (log.best is None or _rank(look) > _rank(log.best)):
            log.best_epoch = len(log.validation)
            self.at_best = {place: record.totals().clone() for place, record in self.records.items()}


def _rank(look: Evaluation) -> tuple[float, float]:
    """By accuracy; among equals, which small validation splits have often, by likelihood."""
    return look.accuracy, -look.nll
