"""The result of one training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from evoloss.losses import NoiseRate
from evoloss.models import names_backbone, names_trees, training_unit


@dataclass(frozen=True, kw_only=True)
class History:
    """The course of a training, one entry an epoch.

    Attributes:
        train_loss: mean of the loss over the epoch's steps, in its own units; None where it is not finite.
        validation_accuracy: percent; None in epochs without a look at the validation split.
        train_accuracy: percent of the steps' own predictions, on the labels as given (noise included), with
            augmentation and dropout; None where the loss is not finite. Empty in runs from before it was
            recorded.
    """

    train_loss: tuple[float | None, ...]
    validation_accuracy: tuple[float | None, ...]
    train_accuracy: tuple[float | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One epoch of a training, as a callback is told of it.

    Attributes:
        loss: name of the loss.
        seed: of the training.
        lr: highest learning rate of the schedule.
        epoch: counted from 1; of trees the round.
        epochs: of the whole training, if it does not end early.
        train_loss: see :class:`History`; so are the next two.
        train_accuracy: percent.
        validation_accuracy: percent; None in epochs without a look at the validation split.
        unit: ``epoch``, or of trees ``round``.
        run: name of the run in a comparison, see :class:`~evoloss.sweeps.finished_run.FinishedRun`; None in
            a training of its own.
    """

    loss: str
    seed: int
    lr: float
    epoch: int
    epochs: int
    train_loss: float | None
    train_accuracy: float | None
    validation_accuracy: float | None
    unit: str = "epoch"
    run: str | None = None

    @classmethod
    def of(cls, identity: RunIdentity, **measured: Any) -> EpochRecord:
        """Make the record of an epoch of a run from what was measured in it."""
        known = {name: getattr(identity, name) for name in ("loss", "seed", "lr", "epochs", "unit")}
        return cls(**known, **measured)


OnEpoch = Callable[[EpochRecord], object]


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """The identity of a run: two runs with equal identity are the same run.

    Attributes:
        loss: name of the loss.
        loss_fingerprint: hash of the class and tensors of the loss.
        dataset: name of the data set.
        data_fingerprint: hash of its splits.
        model: name of the classifier.
        seed: of initialisation, batches, augmentation, dropout, label noise.
        augment: what was done to the images, such as ``"crop 4 + flip"``.
        n_classes: classes of the data set.
        n_train: training samples.
        n_validation: validation samples.
        n_test: test samples.
        device: kind of device, such as ``"cpu"``.
        hessian: of trees; left out of files for networks.
        backbone: ``"frozen"`` or ``"finetuned"``; this and the next two are left out of files for models that
            are of no library.
        pretrained: whether the model started from the library's weights.
        model_fingerprint: hash of the files of a model that is a folder of the user's; None for others.

    The other fields are those of :class:`~evoloss.training.config.TrainRecipe`.
    """

    loss: str
    loss_fingerprint: str
    dataset: str
    data_fingerprint: str
    model: str
    seed: int
    lr: float
    label_noise: float
    noise_kind: str
    epochs: int
    batch_size: int
    momentum: float
    nesterov: bool
    weight_decay: float
    schedule: str
    clip_grad: float | None
    augment: str
    eval_every: int
    precision: str
    devices: int
    device: str
    n_classes: int
    n_train: int
    n_validation: int
    n_test: int
    validation_noise: bool = False
    last_batch: str = "drop"
    optimizer: str = "sgd"
    early_stopping: int | None = None
    class_weights: str = "none"
    hessian: str = "abs"
    backbone: str = "finetuned"
    pretrained: bool = False
    model_fingerprint: str | None = None

    @property
    def grows_trees(self) -> bool:
        """True for boosted trees, whose epochs are rounds."""
        return names_trees(self.model)

    @property
    def library(self) -> str:
        """Name of the model up to a colon: of trees, their library."""
        return self.model.partition(":")[0]

    @property
    def unit(self) -> str:
        """Unit that a training goes by: ``epoch``, or of trees ``round``."""
        return training_unit(self.model)

    @property
    def judged(self) -> str:
        """The epoch, or of trees the round, that counts: the ``last epoch``, the ``best validation round``.

        With early stopping it is the best one.
        """
        which = "last" if self.early_stopping is None else "best validation"
        return f"{which} {self.unit}"

    @property
    def classifier(self) -> str:
        """The model in words, ``timm:resnet18 (pretrained weights, frozen but for the head)``."""
        if not names_backbone(self.model):
            return self.model
        weights = "pretrained" if self.pretrained else "random"
        trained = "frozen but for the head" if self.backbone == "frozen" else "fine-tuned"
        return f"{self.model} ({weights} weights, {trained})"


@dataclass(frozen=True, kw_only=True)
class RunResult(RunIdentity):
    """One training and how it went; accuracies in percent.

    The test split is read once, after the last epoch, with two sets of weights: those of the last epoch, and
    those of the epoch with the best validation accuracy (the first one, where several tie). So
    ``best_test_accuracy`` never picks an epoch by looking at the test split. With early stopping the weights
    of the best epoch take the place of those of the last everywhere.

    Attributes:
        n_parameters: of the classifier; of trees, whose epochs are rounds, the leaves.
        test_accuracy: last epoch.
        balanced_accuracy: last epoch; mean over the classes of the share of their test samples that is
            predicted right, in percent, over the classes that have any.
        test_nll: last epoch, nats.
        test_ece: last epoch, in ``[0, 1]``.
        temperature: fitted on the validation logits of the last epoch, see
            :func:`~evoloss.training.temperature.fit_temperature`; 1 where the run diverged.
        test_nll_scaled: last epoch, logits divided by ``temperature``.
        test_ece_scaled: likewise.
        best_test_accuracy: test accuracy with the weights of ``best_epoch``.
        best_test_nll: likewise.
        best_test_ece: likewise.
        best_epoch: epoch with the best validation accuracy, counted from 1; 0 if none was reached.
        validation_accuracy: last epoch.
        validation_nll: last epoch.
        best_validation_accuracy: of ``best_epoch``.
        train_seconds: wall time of the training steps, evaluation not included.
        diverged: the loss or an output stopped being finite (a logit of -inf that masks a class does not
            count). The run ends there and is scored as a uniform prediction on balanced classes (accuracy
            ``100 / C``, NLL ``log C``).
        noise_rate: share of wrong labels that the loss has sensed, for one that senses it; else None, and
            left out of files.
        kept: folder of what the run left, relative to that of the results (``"kept/gce/seed-0"``); None, and
            left out of files, where nothing was kept.
        history: see :class:`History`.

    The test values and the temperature are None in runs that only choose a learning rate. Those with a
    default are also None in files from before they were measured.
    """

    n_parameters: int
    test_accuracy: float | None
    best_test_accuracy: float | None
    test_nll: float | None
    test_ece: float | None
    balanced_accuracy: float | None = None
    temperature: float | None = None
    test_nll_scaled: float | None = None
    test_ece_scaled: float | None = None
    best_test_nll: float | None = None
    best_test_ece: float | None = None
    validation_accuracy: float
    validation_nll: float
    best_validation_accuracy: float
    best_epoch: int
    train_seconds: float
    diverged: bool
    noise_rate: NoiseRate | None = None
    kept: str | None = None
    history: History

    def epoch_records(self, run: str | None = None) -> list[EpochRecord]:
        """Return what a callback is told of the epochs of this training, once it has ended.

        Args:
            run: name of the run in a comparison.
        """
        history = self.history
        train_accuracy = history.train_accuracy or (None,) * len(history.train_loss)
        columns = zip(history.train_loss, train_accuracy, history.validation_accuracy, strict=True)
        return [
            EpochRecord.of(
                self,
                epoch=epoch,
                train_loss=train_loss,
                train_accuracy=accuracy,
                validation_accuracy=validation,
                run=run,
            )
            for epoch, (train_loss, accuracy, validation) in enumerate(columns, start=1)
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return plain lists, dicts, strings and numbers, ready for JSON."""
        document = asdict(self)
        for name in ("noise_rate", "kept", "balanced_accuracy"):
            if document[name] is None:  # as in files from before there was such an entry
                del document[name]
        if not names_backbone(self.model):
            for name in ("backbone", "pretrained", "model_fingerprint"):
                del document[name]
        if not self.grows_trees:
            del document["hessian"]
        document["history"] = {name: list(values) for name, values in document["history"].items()}
        return document

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> RunResult:
        """Undo :meth:`as_dict`; trusts its argument, see ``evoloss.compare.results`` for files."""
        history = {name: tuple(values) for name, values in document["history"].items()}
        sensed = document.get("noise_rate")
        rate = None if sensed is None else NoiseRate(**sensed)
        return cls(**{**document, "history": History(**history), "noise_rate": rate})
