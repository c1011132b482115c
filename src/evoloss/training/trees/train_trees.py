"""One ensemble of trees, one loss, one seed: what ``evoloss.training.train`` does for boosted trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evoloss.data import Dataset, Split
from evoloss.default_dtype import float32_by_default
from evoloss.errors import ConfigError
from evoloss.integrations.boosting import BoostingObjective, Hessian, objective
from evoloss.integrations.boosting.sensed import noise_rate_in_trees
from evoloss.training.config import TrainConfig
from evoloss.training.metrics import Evaluation, chance, evaluate_logits
from evoloss.training.outcome import ModelFile, Outcome, StepRecord, is_observable, mean_probs
from evoloss.training.run_result import OnEpoch, RunIdentity, RunResult
from evoloss.training.stages.class_weights import balanced_weights
from evoloss.training.stages.devices import private_rng
from evoloss.training.stages.judging import UNTESTED, best_values, run_result, test_values
from evoloss.training.trees.ensembles import Growth, make_ensemble, rows_of
from evoloss.training.trees.own_objective import LibraryObjective
from evoloss.training.trees.parameters import TreeSpec, library_version
from evoloss.training.trees.rounds import TRAIN, WATCHED, Growing

MODEL_FILES = {"xgboost": "model.ubj", "lightgbm": "model.txt"}
"""Names of the file of a trained model, by library; each is the library's own format."""
_TRIED = 50  # rows of a class in the training that settings are tried with


@float32_by_default()
def train_trees(
    dataset: Dataset,
    loss: nn.Module,
    config: TrainConfig,
    identity: RunIdentity,
    *,
    read_test: bool = True,
    on_epoch: OnEpoch | None = None,
    observe: bool = False,
    watched: Split | None = None,
) -> tuple[RunResult, Outcome | None]:
    """Grow trees with a loss as their objective, and judge them.

    ``config.epochs`` is the most rounds. With early stopping the rounds are those with the best validation
    accuracy, among equals the best likelihood.

    Args:
        dataset: with the label noise of the run, and a validation split that is not empty.
        loss: of this package, of the user's with a ``reduction``, or :class:`LibraryObjective`.
        config: how to train.
        identity: of the run.
        read_test: evaluate on the test split.
        on_epoch: called with a record after each round.
        observe: return what is left beside numbers.
        watched: samples that take no part and are predicted after every round.

    Raises:
        MissingExtraError: if the library is not installed.
        ConfigError: if the loss is none for trees.
    """
    spec = TreeSpec.parse(identity.model)
    library_version(spec.library)
    made = objective_of(loss, spec, dataset.n_classes, config.hessian)
    growth = _growth(dataset, config, made, watched)
    ensemble = make_ensemble(spec, growth)
    recorded = {TRAIN: dataset.train} if observe and is_observable(dataset) else {}
    recorded |= {} if watched is None else {WATCHED: watched}
    device = torch.device("cpu")
    records = {place: StepRecord(len(rows), dataset.n_classes, device) for place, rows in recorded.items()}
    growing = Growing(ensemble, made, dataset, config, records)

    def on_round() -> None:
        if on_epoch is not None:
            with private_rng(device):  # whoever is called may draw
                on_epoch(growing.log.record(identity))

    growing.grow(on_round)
    log, rounds = growing.log, growing.rounds

    def predict(split: Split, number: int = rounds) -> Tensor:
        return ensemble.predict(rows_of(split.inputs), number)

    log.validation_logits = predict(dataset.validation)
    validation: Evaluation | None = None
    if not log.diverged:
        validation = evaluate_logits(log.validation_logits, dataset.validation.labels)
    logits = predict(dataset.test) if read_test and not log.diverged else None
    tested: dict[str, Any] = test_values(log, dataset, logits) if read_test else UNTESTED
    if read_test and 0 < log.best_epoch != rounds:
        tested = tested | best_values(predict(dataset.test, log.best_epoch), dataset)
    result = run_result(
        identity,
        log,
        dataset,
        validation or chance(dataset.n_classes),
        tested,
        n_parameters=ensemble.n_leaves(rounds),
        noise_rate=None if made is None else noise_rate_in_trees(made.criterion),
    )
    if not observe:
        return result, None
    watched = None if log.diverged else watched
    means = {place: mean_probs(totals) for place, totals in growing.at_best.items()}
    return result, Outcome(
        weights={},
        model_file=ModelFile(MODEL_FILES[spec.library], ensemble.save(rounds)),
        test_logits=logits,
        train_logits=None if log.diverged or TRAIN not in records else predict(dataset.train),
        train_probs=means.get(TRAIN),
        held_out_probs=None if watched is None else means[WATCHED],
        held_out_logits=None if watched is None else predict(watched),
    )


def objective_of(
    loss: nn.Module, spec: TreeSpec, n_classes: int, hessian: Hessian
) -> BoostingObjective | None:
    """The objective that a loss is to trees; None for the library's own, whose second derivative is its own.

    Raises:
        ConfigError: if the loss asks for what trees cannot tell it, or is the objective of another library.
    """
    if not isinstance(loss, LibraryObjective):
        return objective(loss, n_classes, hessian=hessian)
    if loss.library != spec.library:
        raise ConfigError(f"{loss.library} has an objective of its own, which {spec.library} has not")
    return None


def try_trees(model: str, name: str, loss: nn.Module, *, n_classes: int, hessian: Hessian = "abs") -> None:
    """Find a mistake in a loss or in the parameters of a model before it fails every run, by one round.

    Args:
        model: name of the classifier.
        name: of the loss, for messages.
        loss: it stays as it is.
        n_classes: of the data set.
        hessian: what stands for the second derivative.

    Raises:
        MissingExtraError: if the library is not installed.
        ConfigError: if trees cannot be grown.
    """
    spec = TreeSpec.parse(model)
    library_version(spec.library)
    labels = np.arange(_TRIED * n_classes) % n_classes
    try:
        growth = Growth(
            inputs=np.arange(len(labels), dtype=np.float32).reshape(-1, 1),
            labels=labels,
            weight=None,
            watched=[],
            n_classes=n_classes,
            lr=0.1,
            seed=0,
            objective=objective_of(loss, spec, n_classes, hessian),
        )
        make_ensemble(spec, growth).grow()
    except ConfigError as error:
        raise ConfigError(f"loss {name} with {model}: {error}") from error
    except Exception as error:  # what a library says of a value, or the user's code; the cause stays attached
        raise ConfigError(f"{model} with the loss {name}: {type(error).__name__}: {error}") from error


def _growth(
    dataset: Dataset, config: TrainConfig, made: BoostingObjective | None, watched: Split | None
) -> Growth:
    labels, weight = dataset.train.labels, None
    if config.class_weights == "balanced":
        weight = balanced_weights(labels, dataset.n_classes)[labels].numpy()
    splits = [dataset.validation, *([] if watched is None else [watched])]
    return Growth(
        inputs=rows_of(dataset.train.inputs),
        labels=labels.numpy(),
        weight=weight,
        watched=[rows_of(split.inputs) for split in splits],
        n_classes=dataset.n_classes,
        lr=config.lr,
        seed=config.seed % 2**31,  # the libraries' seeds have 32 bits
        objective=made,
    )
