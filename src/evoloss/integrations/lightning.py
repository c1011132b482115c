"""Losses in the ``Trainer`` of Lightning (``lightning`` or ``pytorch_lightning``).

A loss is an ``nn.CrossEntropyLoss``, and takes its place in a ``LightningModule``. As an attribute of the
module it moves to the device of the module, and its running statistics are in the checkpoints.
:class:`LossCallback` is for a loss that follows its training, and for who wants to see what it sees.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.integrations.plan import plan_training, samples_of
from evoloss.integrations.training_calls import TrainingCalls
from evoloss.losses import ClassificationLoss
from evoloss.losses.parameters import ParametricLoss

_PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def _bases() -> tuple[type, ...]:
    """The base of callbacks, of each package that is in use; else of one that is installed.

    The two know nothing of each other, and a ``Trainer`` wants a callback of its own.
    """
    in_use = [package for package in _PACKAGES if package in sys.modules]
    for packages in filter(None, (in_use, _PACKAGES[:1], _PACKAGES[1:])):
        with suppress(ImportError):
            return tuple(importlib.import_module(package).Callback for package in packages)
    try:
        return (importlib.import_module(_PACKAGES[0]).Callback,)  # fails again, and says why
    except ImportError as error:
        raise MissingExtraError.of("lightning", "lightning", "a loss in its Trainer") from error


class LossCallback(*_bases()):  # type: ignore[misc]
    """Tell the losses of a ``LightningModule`` of its training, and log what they see.

    ``Trainer(callbacks=[LossCallback()])``, in a list. It finds every loss that is an attribute of the
    module, at any depth. At the start of a fit a loss is told how many samples and epochs there are, and in
    several processes its statistics are those of all of them. In a training call it is told the learning rate
    (that of the first group of the first optimizer) and the places of the samples, if it asks and the call
    does not say them.

    Logged by the epoch, under the name of the attribute: ``criterion/loss``, the mean of what it returned, if
    that is a scalar; ``criterion/agreement``, of a loss that depends on it, how far labels are learned, from
    0 at chance to 1; and from the epoch on in which a loss can tell the share of wrong labels,
    ``criterion/noise_rate`` with ``criterion/noise_rate_low`` and ``_high``.

    A fit goes on with the statistics that a loss has: a loss that was trained with another module is to be
    ``reset()``. Where both ``lightning`` and ``pytorch_lightning`` are installed, import the one that you use
    before this class.

    Args:
        n_samples: how many labels an epoch has; by default the samples of the training dataloader. Has to be
            said where a sample has many labels, and for data without a length.
        index: the item of a batch with the place of each sample in the training set, by position or key, for
            a loss such as ``elr``.

    Raises:
        ConfigError: when a fit starts, if there is no loss, or one asks for what is not known.

    Example:
        >>> callback = LossCallback(index=2)
        >>> callback.n_samples is None
        True
    """

    def __init__(self, *, n_samples: int | None = None, index: int | str | None = None) -> None:
        self.n_samples = n_samples
        self.index = index
        self._calls: dict[str, TrainingCalls] = {}
        self._batch: Any = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Tell the losses how long the training will be."""
        losses = {
            name: module
            for name, module in pl_module.named_modules()
            if isinstance(module, ClassificationLoss)
        }
        if not losses:
            raise ConfigError(
                f"{type(pl_module).__name__} has no loss of evoloss; LossCallback is for one that is an "
                'attribute: self.criterion = make_loss("adaptive")'
            )
        told: dict[str, Callable[[], Any]] = {
            "lr": lambda: trainer.optimizers[0].param_groups[0]["lr"],
        }
        if self.index is not None:
            told["index"] = self._index_of_batch
        n_samples, of_epoch = self.n_samples, None
        if n_samples is None:
            n_samples, of_epoch = samples_of(
                trainer.train_dataloader, trainer.num_training_batches, processes=trainer.world_size
            )
        for name, criterion in losses.items():
            plan_training(
                criterion,
                n_samples=n_samples,
                samples_per_epoch=of_epoch,
                epochs=trainer.max_epochs if (trainer.max_epochs or 0) > 0 else None,
                processes=trainer.world_size,
                advice={"n_samples": "LossCallback(n_samples=...)", "epochs": "Trainer(max_epochs=...)"},
            )
            self._calls[name] = TrainingCalls(criterion, told, size_is_sure=self.n_samples is not None)
            self._calls[name].begin()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Remember the batch, of which a loss may ask the places of samples."""
        del trainer, pl_module, batch_idx
        self._batch = batch
        for calls in self._calls.values():
            calls.clear()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log what the losses returned and saw."""
        del outputs, batch, batch_idx
        self._batch = None
        for name, calls in self._calls.items():
            for what, value in (("loss", calls.cost), ("agreement", calls.agreement)):
                if value is not None:
                    pl_module.log(
                        f"{name}/{what}",
                        value,
                        on_step=False,
                        on_epoch=True,
                        batch_size=calls.n_labels,
                        sync_dist=trainer.world_size > 1,
                    )

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Log the share of wrong labels, where a loss can tell it."""
        for name, calls in self._calls.items():
            if isinstance(calls.criterion, ParametricLoss) and calls.criterion.senses_noise:
                rate = calls.criterion.noise_rate
                for what, value in (("", rate.estimate), ("_low", rate.low), ("_high", rate.high)):
                    if value is not None:
                        pl_module.log(f"{name}/noise_rate{what}", value, sync_dist=trainer.world_size > 1)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Leave the losses as they were."""
        del exception
        self.teardown(trainer, pl_module, "fit")

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Leave the losses as they were."""
        del trainer, pl_module, stage
        for calls in self._calls.values():
            calls.end()
        self._calls, self._batch = {}, None

    def _index_of_batch(self) -> Any:
        batch: Any = self._batch
        item: Any = self.index
        try:
            if not isinstance(batch, Mapping if isinstance(item, str) else Sequence):
                raise TypeError
            return batch[item]
        except (TypeError, LookupError) as error:
            has = f"keys {', '.join(map(str, batch))}" if isinstance(batch, Mapping) else type(batch).__name__
            raise ConfigError(
                f"LossCallback(index={item!r}): the batch has no such item ({has}); expected the item with "
                "the place of each sample in the training set"
            ) from error
