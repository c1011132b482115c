r"""Losses in the ``Trainer`` of Hugging Face transformers.

The Trainer divides what an accumulated batch costs by the number of its labels, counted over all its
micro-batches and processes (``num_items_in_batch``). So a loss has to be handed over as a sum divided by that
number, and not as the mean of a micro-batch. Four things go wrong without a sound:

- A module that is set as ``model.loss_function`` is called with other arguments, or not at all: models call
  it as ``loss_function(logits=..., labels=..., ...)``, and many do not.
- ``label_smoothing_factor`` is ignored where there is a ``compute_loss_func``; smoothing is an option of the
  loss.
- Soft labels ``(N, C)`` are counted as N times C labels.
- Class weights want the sum of the weights of the labels in place of their number.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from evoloss.atomic_files import write_bytes
from evoloss.errors import ConfigError, MissingExtraError
from evoloss.losses import ClassificationLoss
from evoloss.losses.resolve import make_loss
from evoloss.losses.state import states_of

try:
    from transformers import Trainer, TrainerCallback
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
except ImportError as error:
    raise MissingExtraError.of("transformers", "transformers", "a loss in its Trainer") from error

__all__ = ["EvolvedTrainer", "LossCallback", "TrainerLoss", "compute_loss_func"]

STATE_FILE = "loss_state.safetensors"
"""File of a checkpoint with the running statistics of a loss."""
_IGNORED = -100  # the label that the Trainer does not count
_WHOLE = 1e-3  # how far the sum of soft labels may be from 1


def compute_loss_func(
    loss: str | nn.Module, *, shift: bool = False, n_samples: int | None = None
) -> TrainerLoss:
    """Make a loss the ``compute_loss_func`` of a ``Trainer``.

    ``Trainer(..., compute_loss_func=compute_loss_func("evolved-base"))``. A loss that follows its training
    (``adaptive``) needs its callback too, which tells it how large the training set is, keeps its statistics
    in checkpoints and shares them between processes; :class:`EvolvedTrainer` brings both.

    Labels are indices, of the shape of the logits without their last axis, with -100 where there is none; or
    probabilities, of the shape of the logits.

    Args:
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss; it is copied.
        shift: True for causal language models, whose logits at a token predict the next one.
        n_samples: how many labels an epoch has, for a loss that follows its training; by default the callback
            takes the length of the training set, which is right where a sample has one label.

    Raises:
        ConfigError: if the loss cannot be used; when it is called, if labels do not fit.
        UnknownNameError: if there is no such loss.

    Example:
        >>> func = compute_loss_func("cross_entropy")
        >>> print(func({"logits": torch.zeros(2, 4)}, torch.tensor([0, -100]), num_items_in_batch=1))
        tensor(1.3863)
    """
    return TrainerLoss(loss, shift=shift, n_samples=n_samples)


class TrainerLoss:
    """See :func:`compute_loss_func`.

    Attributes:
        criterion: the loss, a copy that sums; ``criterion.noise_rate`` is that of the training.
        shift: whether logits predict the next label.
        n_samples: labels of an epoch, if that was said.
    """

    def __init__(self, loss: str | nn.Module, *, shift: bool = False, n_samples: int | None = None) -> None:
        made = make_loss(loss) if isinstance(loss, str) else copy.deepcopy(loss)
        if not isinstance(made, ClassificationLoss):
            raise ConfigError(
                f"the loss is a {type(made).__name__}; expected a name, or a loss of evoloss: a function of "
                "one's own is a compute_loss_func as it is, and returns a sum divided by num_items_in_batch"
            )
        asked = [*made.training_arguments, *(name for name in made.plan_arguments if name != "n_samples")]
        if asked:
            raise ConfigError(f"{made.name} asks for {' and '.join(asked)}, which a Trainer does not say")
        if made.ignore_index != _IGNORED:
            raise ConfigError(f"ignore_index is {made.ignore_index}; the Trainer counts all labels but -100")
        made.reduction = "sum"
        self.criterion = made
        self.shift = shift
        self.n_samples = n_samples
        if n_samples is not None:
            made.plan_training(n_samples=n_samples)
        self.counts_weights = False  # EvolvedTrainer counts by denominator()
        self._length: int | None = None

    @property
    def follows_training(self) -> bool:
        """Whether the loss keeps running statistics."""
        return bool(states_of(self.criterion))

    def plan(self, length: int) -> None:
        """Take the length of the training set for the number of labels, if that was not said."""
        if self.n_samples is None:
            self._length = length
            self.criterion.plan_training(n_samples=length)

    def __call__(self, outputs: Any, labels: Tensor | None, num_items_in_batch: Any = None) -> Tensor:
        """The sum of the costs of a micro-batch, divided by the number of labels of the whole batch.

        Args:
            outputs: of the model, with ``logits`` ``(..., C)``, or a tuple that begins with them.
            labels: ``(...)`` or ``(..., C)``.
            num_items_in_batch: what to divide by; by default what this micro-batch has.

        Raises:
            ConfigError: if labels or logits do not fit.
        """
        logits, target = self._rows(outputs, labels)
        if self._length is not None and self.follows_training and labels is not None and _is_dense(labels):
            raise ConfigError(
                f"the loss follows its training, and a sample has {labels.shape[1]} labels here; say how "
                "many labels an epoch has: n_samples=..."
            )
        self.criterion.to(logits.device)
        total: Tensor = self.criterion(logits, target)
        mean: Tensor = total / self._divisor(target, num_items_in_batch)
        return mean

    def denominator(self, labels: Tensor) -> Tensor:
        """What the sum of a micro-batch is divided by for a mean: labels that count, by their weights."""
        labels = labels[..., 1:] if self.shift else labels
        if _soft(labels):
            return torch.tensor(float(labels.shape[:-1].numel()), device=labels.device)
        counted = labels[labels != _IGNORED]
        weight = self.criterion.weight
        if weight is None:
            return torch.tensor(float(counted.numel()), device=labels.device)
        return weight.to(labels.device)[counted].sum()

    def _divisor(self, target: Tensor, told: Any) -> Any:
        if told is None:
            shift, self.shift = self.shift, False  # the rows are shifted already
            try:
                return self.denominator(target)
            finally:
                self.shift = shift
        divisor = told.to(target.device) if isinstance(told, Tensor) else told
        if self.counts_weights:
            return divisor
        if self.criterion.weight is not None and not _soft(target):
            raise ConfigError(
                "with class weights a batch is divided by the weights of all its labels, which the Trainer "
                "does not count; use evoloss.integrations.transformers.EvolvedTrainer"
            )
        return divisor / target.shape[-1] if _soft(target) else divisor

    def _rows(self, outputs: Any, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        if labels is None:
            raise ConfigError("the batch has no labels; the Trainer takes those of a column named 'labels'")
        logits = outputs["logits"] if isinstance(outputs, Mapping) else outputs[0]
        labels = labels.to(logits.device)
        if _soft(labels):
            if labels.shape != logits.shape or self.shift:
                raise ConfigError(
                    f"labels are numbers of shape {tuple(labels.shape)}, logits have {tuple(logits.shape)}; "
                    + ("with shift labels are indices" if self.shift else "probabilities have the same shape")
                )
            sums = labels.sum(-1)
            if not torch.all((sums - 1).abs() <= _WHOLE):
                raise ConfigError(
                    "labels are numbers that do not sum to 1 over the classes; these losses are for one "
                    "class a sample, or probabilities of them, and not for several classes at once"
                )
            return logits.flatten(0, -2), labels.flatten(0, -2)
        if labels.shape != logits.shape[:-1]:
            raise ConfigError(
                f"labels have shape {tuple(labels.shape)}, logits {tuple(logits.shape)}; expected labels of "
                f"shape {tuple(logits.shape[:-1])}"
            )
        if self.shift:
            logits, labels = logits[..., :-1, :], labels[..., 1:]
        return logits.flatten(0, -2), labels.flatten()


def _soft(labels: Tensor) -> bool:
    return labels.is_floating_point()


def _is_dense(labels: Tensor) -> bool:
    return labels.dim() > (2 if _soft(labels) else 1)


class LossCallback(TrainerCallback):
    """What a loss that follows its training needs of a ``Trainer``: its size, its checkpoints, its processes.

    ``Trainer(..., compute_loss_func=func, callbacks=[LossCallback(func)])``. At the begin of a training the
    loss is told how large the training set is, and forgets an earlier training; a training that resumes goes
    on with the statistics of its checkpoint. It warns where ``label_smoothing_factor`` would be ignored.

    Args:
        func: what :func:`compute_loss_func` returned.

    Example:
        >>> func = compute_loss_func("adaptive")
        >>> LossCallback(func).func is func
        True
    """

    def __init__(self, func: TrainerLoss) -> None:
        self.func = func
        self.resumed_from: str | os.PathLike[str] | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell the loss what it has to know."""
        del control
        if args.label_smoothing_factor:
            warnings.warn(
                f"label_smoothing_factor={args.label_smoothing_factor} is ignored by a Trainer with a "
                "compute_loss_func; give label_smoothing to the loss: make_loss(name, label_smoothing=...)",
                stacklevel=2,
            )
        loader = kwargs.get("train_dataloader")
        if loader is not None and hasattr(getattr(loader, "dataset", None), "__len__"):
            self.func.plan(len(loader.dataset))
        self.func.criterion.reset()
        if not self.func.follows_training:
            return
        for statistics in states_of(self.func.criterion):
            statistics.synchronised = args.world_size > 1
        if state.global_step:
            self._load(self.resumed_from or Path(args.output_dir) / f"checkpoint-{state.global_step}")

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the statistics into the checkpoint that has been written."""
        del control, kwargs
        if self.func.follows_training and state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            values = {name: value.contiguous() for name, value in self.func.criterion.state_dict().items()}
            if folder.is_dir():
                write_bytes(folder / STATE_FILE, save(values))

    def _load(self, folder: str | os.PathLike[str]) -> None:
        path = Path(folder) / STATE_FILE
        if not path.is_file():
            warnings.warn(
                f"the checkpoint has no {STATE_FILE}: the loss begins to follow the training anew",
                stacklevel=3,
            )
            return
        self.func.criterion.load_state_dict(load_file(path))


class EvolvedTrainer(Trainer):
    """A ``Trainer`` with a loss: exact means under accumulation, class weights, statistics in checkpoints.

    An accumulated batch costs what one large batch would: the sum over its labels divided by their number, or
    by the sum of their class weights, over all micro-batches and processes. Losses whose cost depends on the
    rest of their batch see a micro-batch.

    Args:
        *args: those of ``Trainer``.
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss.
        shift: True for causal language models; by default as the model is.
        n_samples: see :func:`compute_loss_func`.
        **kwargs: those of ``Trainer``, but for ``compute_loss_func``.

    Raises:
        ConfigError: if the loss cannot be used, or there are two.
        UnknownNameError: if there is no such loss.

    Attributes:
        loss_func: the loss as the Trainer calls it; ``loss_func.criterion`` is the loss.
    """

    def __init__(
        self,
        *args: Any,
        loss: str | nn.Module,
        shift: bool | None = None,
        n_samples: int | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("compute_loss_func") is not None:
            raise ConfigError("both loss and compute_loss_func are given; the loss is the compute_loss_func")
        self.loss_func = TrainerLoss(loss, shift=bool(shift), n_samples=n_samples)
        self.loss_func.counts_weights = True
        super().__init__(*args, **kwargs | {"compute_loss_func": self.loss_func})
        if shift is None:
            self.loss_func.shift = _is_causal(self.model)
        self._loss_callback = LossCallback(self.loss_func)
        self.add_callback(self._loss_callback)

    def train(self, resume_from_checkpoint: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Train; arguments are those of ``Trainer.train``."""
        is_path = isinstance(resume_from_checkpoint, (str, os.PathLike))
        self._loss_callback.resumed_from = resume_from_checkpoint if is_path else None
        return super().train(resume_from_checkpoint, *args, **kwargs)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: Any) -> Any:
        """What the sum over an accumulated batch is divided by, in place of the number of its labels."""
        if not batch_samples or any("labels" not in batch for batch in batch_samples):
            return None
        total = torch.stack([self.loss_func.denominator(batch["labels"]) for batch in batch_samples]).sum()
        total = total.to(device)
        if self.args.average_tokens_across_devices and self.args.world_size > 1:
            return self.accelerator.gather(total).sum()
        return total


def _is_causal(model: Any) -> bool:
    """Whether the logits of a model at a token predict the next one."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    encodes = getattr(getattr(inner, "config", None), "is_encoder_decoder", False)
    return type(inner).__name__ in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values() and not encodes
