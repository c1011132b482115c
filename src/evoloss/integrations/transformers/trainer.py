"""A ``Trainer`` with a loss, and what a loss that follows its training needs of any ``Trainer``."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from evoloss.atomic_files import write_bytes
from evoloss.errors import ConfigError, MissingExtraError
from evoloss.integrations.transformers.loss import TrainerLoss
from evoloss.losses.state import states_of

try:
    from transformers import Trainer, TrainerCallback
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
except ImportError as error:
    raise MissingExtraError.of("transformers", "transformers", "a loss in its Trainer", error) from error

STATE_FILE = "loss_state.safetensors"
"""File of a checkpoint with the running statistics of a loss."""


class LossCallback(TrainerCallback):
    """Tell a loss that follows its training of the size, checkpoints and processes of a ``Trainer``.

    ``Trainer(..., compute_loss_func=func, callbacks=[LossCallback(func)])``. At the begin of a training the
    loss is told how large the training set is, and forgets an earlier training; a training that resumes goes
    on with the statistics of its checkpoint. It warns where ``label_smoothing_factor`` would be ignored.

    Args:
        func: what :func:`compute_loss_func` returned.

    Attributes:
        resumed_from: the checkpoint that a training goes on from, if it does not lie in ``output_dir``.

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
            own = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            if self.resumed_from is None and not _is_of(state, own):
                # Another run may have left a checkpoint of this step here.
                self._begin_anew(f"{own} is not the checkpoint that the training goes on from")
            else:
                self._load(self.resumed_from or own)

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
            self._begin_anew(f"{folder} has no {STATE_FILE}")
            return
        self.func.criterion.load_state_dict(load_file(path))

    def _begin_anew(self, reason: str) -> None:
        warnings.warn(
            f"the loss begins to follow the training anew: {reason}; a checkpoint of another place is told "
            "by LossCallback.resumed_from, or use EvolvedTrainer",
            stacklevel=4,
        )


def _is_of(state: Any, folder: Path) -> bool:
    """True if a checkpoint is the one that a training has begun from, by what its history says.

    A checkpoint that says nothing of itself is not looked into further.
    """
    path = folder / "trainer_state.json"
    if not path.is_file():
        return True
    saved = json.loads(path.read_text(encoding="utf-8"))
    return all(saved.get(name) == getattr(state, name) for name in ("log_history", "total_flos", "epoch"))


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
        self.loss_func = TrainerLoss(loss, shift=shift, n_samples=n_samples)
        self.loss_func.counts_weights = True
        super().__init__(*args, **kwargs | {"compute_loss_func": self.loss_func})
        if shift is None and _is_causal(self.model):
            self.loss_func.shift = self.loss_func.shift_is_said = True
        self._loss_callback = LossCallback(self.loss_func)
        self.add_callback(self._loss_callback)

    def train(self, resume_from_checkpoint: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Train; arguments are those of ``Trainer.train``."""
        is_path = isinstance(resume_from_checkpoint, (str, os.PathLike))
        self._loss_callback.resumed_from = resume_from_checkpoint if is_path else None
        return super().train(resume_from_checkpoint, *args, **kwargs)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: Any) -> Any:
        """The divisor of the sum over an accumulated batch, in place of the number of its labels."""
        if not batch_samples or any("labels" not in batch for batch in batch_samples):
            return None
        total = torch.stack([self.loss_func.denominator(batch["labels"]) for batch in batch_samples]).sum()
        total = total.to(device)
        if self.args.average_tokens_across_devices and self.args.world_size > 1:
            return self.accelerator.gather(total).sum()
        return total


def _is_causal(model: Any) -> bool:
    """True if the logits of a model at a token predict the next one."""
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    encodes = getattr(getattr(inner, "config", None), "is_encoder_decoder", False)
    return type(inner).__name__ in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values() and not encodes
