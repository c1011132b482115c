"""One classifier, one loss, one seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from evoloss.data import Dataset, Split
from evoloss.default_dtype import float32_by_default
from evoloss.errors import ConfigError, DataError, MissingExtraError
from evoloss.models import build_model
from evoloss.random_streams import derive_seed
from evoloss.training.augment import plan_augmentation
from evoloss.training.batches import TrainingStream
from evoloss.training.config import TrainConfig, TrainRecipe
from evoloss.training.criterion import prepared_criterion, sensed_noise_rate
from evoloss.training.fingerprints import fingerprint_dataset, fingerprint_loss
from evoloss.training.label_noise import with_label_noise
from evoloss.training.learner import Learner
from evoloss.training.masked import with_masks
from evoloss.training.metrics import Evaluation, chance, evaluate_logits
from evoloss.training.run_result import History, RunIdentity, RunResult
from evoloss.training.temperature import fit_temperature

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
    on_epoch: Callable[[], None] | None = None,
) -> RunResult:
    """Train a classifier from scratch and judge it.

    Initial weights, batches, augmentation, dropout and label noise are functions of ``config.seed`` alone. On
    a CPU the same arguments give the same bits; on a GPU up to the order of its sums. The global random
    state is left as it was.

    Args:
        dataset: with a validation split that is not empty.
        model: a name of ``evoloss.models.MODELS``, or ``package.module:callable``.
        loss: called as ``loss(logits, target)`` with float32 logits ``(N, C)``, and with what its
            ``training_arguments`` name; returns the mean over N, a scalar. A copy is used.
        config: how to train.
        loss_name: name of the loss in the result; its class by default.
        read_test: evaluate on the test split after training. Off while something is still being chosen.
        on_epoch: called after each epoch, for progress bars; not with more than one device.

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
    job = _Job(dataset, loss, config, identity, read_test, on_epoch)
    fabric = _make_fabric(config)
    if config.devices == 1:
        return _run(fabric, job)
    # Fabric walks through the arguments and the answer, and refuses frozen dataclasses in either.
    values: dict[str, Any] = fabric.launch(partial(_run_launched, replace(job, on_epoch=None)))
    return RunResult.from_dict(values)


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
    return RunIdentity(
        loss=loss_name or type(loss).__name__,
        loss_fingerprint=fingerprint_loss(loss),
        dataset=dataset.name,
        data_fingerprint=fingerprint_dataset(dataset),
        model=model,
        seed=config.seed,
        device=_find_accelerator() if accelerator == "auto" else accelerator,
        n_classes=dataset.n_classes,
        n_train=len(dataset.train),
        n_validation=len(dataset.validation),
        n_test=len(dataset.test),
        **recipe,
    )


@dataclass(frozen=True)
class _Job:
    dataset: Dataset
    loss: nn.Module
    config: TrainConfig
    identity: RunIdentity
    read_test: bool
    on_epoch: Callable[[], None] | None


@dataclass
class _TrainingLog:
    """The record of a training so far: losses, evaluations, the best epoch."""

    train_loss: list[float | None]
    train_accuracy: list[float | None]
    validation: list[Evaluation | None]
    best_epoch: int = 0
    best_weights: dict[str, Tensor] | None = None
    validation_logits: Tensor | None = None
    seconds: float = 0.0
    diverged: bool = False

    @property
    def best(self) -> Evaluation | None:
        return self.validation[self.best_epoch - 1] if self.best_epoch else None


def _run_launched(job: _Job, fabric: Fabric) -> dict[str, Any]:
    return _run(fabric, job).as_dict()


@float32_by_default()
def _run(fabric: Fabric, job: _Job) -> RunResult:
    if not len(job.dataset.validation):
        raise DataError(
            f"data set {job.dataset.name!r} has no validation split; the best epoch is chosen on it"
        )
    job = replace(job, dataset=with_label_noise(job.dataset, job.config))
    with _private_rng(fabric.device):
        learner = _set_up(fabric, job)
        log = _fit(learner, job)
        tested = _test(learner, log, job.dataset) if job.read_test else _UNTESTED
    at_chance = chance(job.dataset.n_classes)
    validation = at_chance if log.diverged else log.validation[-1] or at_chance
    return RunResult(
        **asdict(job.identity),
        **tested,
        n_parameters=sum(parameter.numel() for parameter in learner.model.parameters()),
        best_epoch=log.best_epoch,
        validation_accuracy=validation.accuracy,
        validation_nll=validation.nll,
        best_validation_accuracy=(log.best or at_chance).accuracy,
        train_seconds=log.seconds,
        diverged=log.diverged,
        noise_rate=sensed_noise_rate(learner.criterion),
        history=History(
            train_loss=tuple(log.train_loss),
            train_accuracy=tuple(log.train_accuracy),
            validation_accuracy=tuple(look.accuracy if look else None for look in log.validation),
        ),
    )


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
    )
    if not batches.steps_per_epoch:
        raise DataError(f"{len(dataset.train)} training samples are too few for {fabric.world_size} devices")
    torch.manual_seed(derive_seed(config.seed, "initialisation"))
    module = build_model(job.identity.model, input_shape=dataset.input_shape, n_classes=dataset.n_classes)
    if len(dataset.input_shape) == 3:
        # A fifth faster for convolutions, on the CPU too.
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.manual_seed(derive_seed(config.seed, "dropout", fabric.global_rank))
    optimizer = torch.optim.SGD(
        module.parameters(),
        lr=config.lr,
        momentum=config.momentum,
        nesterov=config.nesterov and config.momentum > 0,
        weight_decay=config.weight_decay,
        fused=fabric.device.type in ("cpu", "cuda"),
    )
    model, optimizer = fabric.setup(module, optimizer)
    criterion = prepared_criterion(
        job.loss,
        fabric.device,
        n_samples=len(dataset.train),
        epochs=config.epochs,
        samples_per_epoch=batches.steps_per_epoch * batches.batch_size,
        world=fabric.world_size,
    )
    return Learner(fabric, model, optimizer, criterion, batches, config)


def _fit(learner: Learner, job: _Job) -> _TrainingLog:
    log, config = _TrainingLog([], [], []), job.config
    for epoch in range(config.epochs):
        start = time.perf_counter()
        train_loss, train_accuracy = learner.train_epoch(epoch)
        log.seconds += time.perf_counter() - start
        finite = _is_finite(train_loss)
        due = (epoch + 1) % config.eval_every == 0 or epoch + 1 == config.epochs
        validation = _validate(learner, job.dataset.validation, log) if finite and due else None
        log.train_loss.append(train_loss if finite else None)
        log.train_accuracy.append(train_accuracy if finite else None)
        log.validation.append(validation)
        log.diverged = not finite or (due and validation is None)
        if validation and (log.best is None or validation.accuracy > log.best.accuracy):
            log.best_epoch = epoch + 1
            log.best_weights = {k: v.detach().clone() for k, v in learner.model.state_dict().items()}
        if job.on_epoch is not None:
            job.on_epoch()
        if log.diverged:
            break
    return log


def _validate(learner: Learner, validation: Split, log: _TrainingLog) -> Evaluation | None:
    log.validation_logits = learner.predict(validation)
    return evaluate_logits(log.validation_logits, validation.labels)


_UNTESTED: dict[str, Any] = dict.fromkeys(("test_accuracy", "test_nll", "test_ece", "best_test_accuracy"))


def _test(learner: Learner, log: _TrainingLog, dataset: Dataset) -> dict[str, Any]:
    last = best = scaled = chance(dataset.n_classes)
    temperature = 1.0
    if not log.diverged and log.validation_logits is not None:
        logits = with_masks(learner.predict(dataset.test))
        temperature = fit_temperature(log.validation_logits, dataset.validation.labels)
        last = evaluate_logits(logits, dataset.test.labels) or last
        scaled = evaluate_logits(logits.double() / temperature, dataset.test.labels) or scaled
    if log.best_epoch == len(log.validation):
        best = last
    elif log.best_weights is not None:
        learner.model.load_state_dict(log.best_weights)
        best = evaluate_logits(learner.predict(dataset.test), dataset.test.labels) or best
    return {
        "test_accuracy": last.accuracy,
        "test_nll": last.nll,
        "test_ece": last.ece,
        "temperature": temperature,
        "test_nll_scaled": scaled.nll,
        "test_ece_scaled": scaled.ece,
        "best_test_accuracy": best.accuracy,
        "best_test_nll": best.nll,
        "best_test_ece": best.ece,
    }


def _is_finite(value: float) -> bool:
    return abs(value) < float("inf")  # false for nan as well


def _make_fabric(config: TrainConfig) -> Fabric:
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise MissingExtraError.of("lightning-fabric", "experiments", "training a classifier") from error
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(config.accelerator, True):
        raise ConfigError(f"accelerator {config.accelerator!r} is not available here; use 'auto' or 'cpu'")
    strategy = "auto" if config.devices == 1 else "ddp_spawn"
    accelerator = _find_accelerator() if config.accelerator == "auto" else config.accelerator
    return Fabric(
        accelerator=accelerator, devices=config.devices, precision=config.precision, strategy=strategy
    )


def _find_accelerator() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@contextmanager
def _private_rng(device: torch.device) -> Iterator[None]:
    # Weights and dropout draw from torch's global generators, which belong to the caller.
    indices: list[Any] = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=indices):
        yield
