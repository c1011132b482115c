"""One classifier, one loss, one seed."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from evoloss.data import Dataset, Split
from evoloss.default_dtype import float32_by_default
from evoloss.errors import DataError
from evoloss.models import build_model, fingerprint_model, names_trees
from evoloss.random_streams import derive_seed
from evoloss.training.augment import plan_augmentation
from evoloss.training.batches import TrainingStream
from evoloss.training.config import TrainConfig, TrainRecipe
from evoloss.training.criterion import prepared_criterion, sensed_noise_rate
from evoloss.training.fingerprints import fingerprint_dataset, fingerprint_loss
from evoloss.training.label_noise import with_label_noise
from evoloss.training.learner import Learner
from evoloss.training.masked import with_masks
from evoloss.training.outcome import Outcome, StepRecord, is_observable
from evoloss.training.run_result import OnEpoch, RunIdentity, RunResult
from evoloss.training.stages.class_weights import with_balanced_weights
from evoloss.training.stages.devices import find_accelerator, make_fabric, private_rng
from evoloss.training.stages.judging import (
    UNTESTED,
    TrainingLog,
    judge,
    observe,
    run_result,
    settle,
    validate,
)
from evoloss.training.stages.optimizers import make_optimizer
from evoloss.training.trees.settings import require_for_network, require_for_trees
from evoloss.training.trees.train_trees import train_trees

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def train(
    dataset: Dataset,
    model: str,
    loss: nn.Module,
    config: TrainConfig,
    *,
    loss_name: str | None = None,
    read_test: bool = True,
    on_epoch: OnEpoch | None = None,
) -> RunResult:
    """Train a classifier from scratch and judge it.

    Initial weights, batches, augmentation, dropout and label noise are functions of ``config.seed`` alone. On
    a CPU the same arguments give the same bits; on a GPU up to the order of its sums. The global random
    state is left as it was.

    Args:
        dataset: with a validation split that is not empty.
        model: see :func:`evoloss.models.build_model`; what a library would have to fetch has to be there.
        loss: called as ``loss(logits, target)`` with float32 logits ``(N, C)``, and with what its
            ``training_arguments`` name; returns the mean over N, a scalar. A copy is used.
        config: how to train.
        loss_name: name of the loss in the result; its class by default.
        read_test: evaluate on the test split after training. Off while something is still being chosen.
        on_epoch: called with a record after each epoch; with more than one device once the training is over.
            What it draws from torch's global generators changes nothing here.

    Raises:
        MissingExtraError: if lightning-fabric or torchmetrics is not installed.
        ConfigError: if the accelerator is not there, the model does not fit the inputs, or what the loss
            returns is no scalar with a gradient.
        DataError: if a split is too small.

    Example:
        >>> from evoloss import EvolvedLoss
        >>> from evoloss.data import load_dataset
        >>> digits = load_dataset("digits", train_samples=50)
        >>> result = train(digits, "mlp", EvolvedLoss("evolved-base"), TrainConfig(epochs=1))
        >>> result.n_train, result.diverged
        (50, False)
    """
    identity = identify_run(dataset, model, loss, config, loss_name=loss_name)
    return _launch(_Job(dataset, loss, config, identity, read_test, on_epoch))[0]


def train_and_observe(
    dataset: Dataset,
    model: str,
    loss: nn.Module,
    config: TrainConfig,
    *,
    loss_name: str | None = None,
    read_test: bool = True,
    on_epoch: OnEpoch | None = None,
    watched: Split | None = None,
) -> tuple[RunResult, Outcome]:
    """Train as :func:`train` does, to the same bits, and return the classifier and its predictions too.

    Args:
        dataset: and all that follow are those of :func:`train`.
        model: see there.
        loss: see there.
        config: see there.
        loss_name: see there.
        read_test: see there.
        on_epoch: see there.
        watched: samples that take no part in the training and are predicted after every epoch, such as a
            fold that was held out.

    Example:
        >>> from evoloss import EvolvedLoss
        >>> from evoloss.data import load_dataset
        >>> digits = load_dataset("digits", train_samples=50)
        >>> _, outcome = train_and_observe(digits, "mlp", EvolvedLoss("evolved-base"), TrainConfig(epochs=1))
        >>> outcome.train_probs.shape, outcome.test_logits.shape
        (torch.Size([50, 10]), torch.Size([359, 10]))
    """
    identity = identify_run(dataset, model, loss, config, loss_name=loss_name)
    job = _Job(dataset, loss, config, identity, read_test, on_epoch, observe=True, watched=watched)
    result, outcome = _launch(job)
    assert outcome is not None, "it was asked for"
    return result, outcome


def identify_run(
    dataset: Dataset, model: str, loss: nn.Module, config: TrainConfig, *, loss_name: str | None = None
) -> RunIdentity:
    """Return what fixes the run that :func:`train` would make of the same arguments.

    Example:
        >>> from evoloss.data import load_dataset
        >>> from evoloss.losses import LOSSES
        >>> digits = load_dataset("digits", train_samples=50)
        >>> run = identify_run(digits, "mlp", LOSSES["gce"](), TrainConfig(seed=3), loss_name="gce")
        >>> run.loss, run.seed, run.n_train
        ('gce', 3, 50)
    """
    recipe = {field.name: getattr(config, field.name) for field in fields(TrainRecipe)}
    accelerator = recipe.pop("accelerator")
    recipe["augment"] = str(plan_augmentation(config.augment, dataset.input_shape))
    if names_trees(model):
        require_for_trees(config, model)
        recipe["augment"], accelerator = "none", "cpu"
    else:
        require_for_network(config, model)
    return RunIdentity(
        loss=loss_name or type(loss).__name__,
        loss_fingerprint=fingerprint_loss(loss),
        dataset=dataset.name,
        data_fingerprint=fingerprint_dataset(dataset),
        model=model,
        seed=config.seed,
        device=find_accelerator() if accelerator == "auto" else accelerator,
        n_classes=dataset.n_classes,
        n_train=len(dataset.train),
        n_validation=len(dataset.validation),
        n_test=len(dataset.test),
        model_fingerprint=fingerprint_model(model, pretrained=config.pretrained),
        **recipe,
    )


@dataclass(frozen=True)
class _Job:
    dataset: Dataset
    loss: nn.Module
    config: TrainConfig
    identity: RunIdentity
    read_test: bool
    on_epoch: OnEpoch | None
    observe: bool = False
    watched: Split | None = None


def _launch(job: _Job) -> tuple[RunResult, Outcome | None]:
    if not len(job.dataset.validation):
        raise DataError(
            f"data set {job.dataset.name!r} has no validation split; the best {job.identity.unit} is chosen "
            "on it"
        )
    if names_trees(job.identity.model):
        return train_trees(
            with_label_noise(job.dataset, job.config),
            job.loss,
            job.config,
            job.identity,
            read_test=job.read_test,
            on_epoch=job.on_epoch,
            observe=job.observe,
            watched=job.watched,
        )
    fabric = make_fabric(job.config)
    if job.config.devices == 1:
        return _run(fabric, job)
    result, outcome = _launch_several(fabric, job)
    if job.on_epoch is not None:
        for record in result.epoch_records():
            job.on_epoch(record)
    return result, outcome


def _launch_several(fabric: Fabric, job: _Job) -> tuple[RunResult, Outcome | None]:
    """Train on several devices, in processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        # Fabric walks through the arguments and the answer, and refuses frozen dataclasses in either.
        task = partial(_run_launched, replace(job, on_epoch=None), folder)
        values: dict[str, Any] = fabric.launch(task)
        # Not in the answer: Fabric waits for the processes before it reads, they until what is long is read.
        path = Path(folder, _OUTCOME)
        outcome = Outcome.from_bytes(path.read_bytes()) if job.observe else None
    return RunResult.from_dict(values), outcome


_OUTCOME = "outcome.safetensors"


def _run_launched(job: _Job, folder: str, fabric: Fabric) -> dict[str, Any]:
    result, outcome = _run(fabric, job)
    if outcome is not None and fabric.global_rank == 0:
        Path(folder, _OUTCOME).write_bytes(outcome.to_bytes())
    return result.as_dict()


@float32_by_default()
def _run(fabric: Fabric, job: _Job) -> tuple[RunResult, Outcome | None]:
    job = replace(job, dataset=with_label_noise(job.dataset, job.config))
    with private_rng(fabric.device):
        learner = _set_up(fabric, job)
        log = _fit(learner, job)
        validation = settle(learner, log, job.dataset)
        logits = learner.predict(job.dataset.test) if job.read_test and not log.diverged else None
        outcome = observe(learner, log, job.dataset.train, job.watched, logits) if job.observe else None
        tested = judge(learner, log, job.dataset, logits) if job.read_test else UNTESTED
    result = run_result(
        job.identity,
        log,
        job.dataset,
        validation,
        tested,
        n_parameters=sum(parameter.numel() for parameter in learner.model.parameters()),
        noise_rate=sensed_noise_rate(learner.criterion),
    )
    return result, outcome


def _set_up(fabric: Fabric, job: _Job) -> Learner:
    dataset, config = job.dataset, job.config
    batches = TrainingStream.place(
        dataset.train.inputs,
        dataset.train.labels,
        device=fabric.device,
        plan=plan_augmentation(config.augment, dataset.input_shape),
        batch_size=config.batch_size,
        seed=config.seed,
        rank=fabric.global_rank,
        world=fabric.world_size,
        last_batch=config.last_batch,
    )
    if not batches.steps_per_epoch:
        raise DataError(f"{len(dataset.train)} training samples are too few for {fabric.world_size} devices")
    torch.manual_seed(derive_seed(config.seed, "initialisation"))
    module = build_model(
        job.identity.model,
        input_shape=dataset.input_shape,
        n_classes=dataset.n_classes,
        pretrained=config.pretrained,
        frozen=config.backbone == "frozen",
    )
    if len(dataset.input_shape) == 3:
        # A fifth faster for convolutions, on the CPU too.
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.manual_seed(derive_seed(config.seed, "dropout", fabric.global_rank))
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = make_optimizer(trained, config, fused=fabric.device.type in ("cpu", "cuda"))
    model, optimizer = fabric.setup(module, optimizer)
    loss = job.loss
    if config.class_weights == "balanced":
        loss = with_balanced_weights(loss, dataset.train.labels, dataset.n_classes)
    criterion = prepared_criterion(
        loss,
        fabric.device,
        n_samples=len(dataset.train),
        epochs=config.epochs,
        samples_per_epoch=batches.samples_per_epoch,
        world=fabric.world_size,
    )
    observed = job.observe and is_observable(dataset)
    record = StepRecord(len(dataset.train), dataset.n_classes, fabric.device) if observed else None
    return Learner(fabric, model, optimizer, criterion, batches, config, record)


def _fit(learner: Learner, job: _Job) -> TrainingLog:
    log, config = TrainingLog([], [], []), job.config
    for epoch in range(config.epochs):
        start = time.perf_counter()
        train_loss, train_accuracy = learner.train_epoch(epoch)
        log.seconds += time.perf_counter() - start
        finite = _is_finite(train_loss)
        due = (epoch + 1) % config.eval_every == 0 or epoch + 1 == config.epochs
        validation = validate(learner, job.dataset.validation, log) if finite and due else None
        log.train_loss.append(train_loss if finite else None)
        log.train_accuracy.append(train_accuracy if finite else None)
        log.validation.append(validation)
        log.diverged = not finite or (due and validation is None)
        if validation and job.watched is not None:
            log.watched_probs.append(with_masks(learner.predict(job.watched)).softmax(dim=1))
        if validation and (log.best is None or validation.accuracy > log.best.accuracy):
            log.best_epoch = epoch + 1
            log.best_weights = {k: v.detach().clone() for k, v in learner.model.state_dict().items()}
        if job.on_epoch is not None:
            with private_rng(learner.fabric.device):  # whoever is called may draw
                job.on_epoch(log.record(job.identity))
        if log.diverged or (due and log.is_stuck(config.early_stopping)):
            break
    return log


def _is_finite(value: float) -> bool:
    return abs(value) < float("inf")  # false for nan as well
