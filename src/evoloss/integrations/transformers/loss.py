"""A loss as the ``compute_loss_func`` of a ``Trainer``."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from evoloss.errors import ConfigError
from evoloss.integrations.divisor import sum_of_weights
from evoloss.integrations.precision import in_one_precision
from evoloss.losses import ClassificationLoss
from evoloss.losses.joint_batch import JointBatch
from evoloss.losses.resolve import make_loss
from evoloss.losses.state import states_of

_IGNORED = -100  # the label that the Trainer does not count
_WHOLE = 1e-3  # how far the sum of soft labels may be from 1


def compute_loss_func(
    loss: str | nn.Module, *, shift: bool | None = None, n_samples: int | None = None
) -> TrainerLoss:
    """Make a loss the ``compute_loss_func`` of a ``Trainer``.

    ``Trainer(..., compute_loss_func=compute_loss_func("evolved-base"))``. A loss that follows its training
    (``adaptive``) needs its callback too, which tells it how large the training set is, keeps its statistics
    in checkpoints and shares them between processes; :class:`EvolvedTrainer` brings both.

    Labels are indices, of the shape of the logits without their last axis, with -100 where there is none; or
    probabilities, of the shape of the logits.

    Args:
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss; it is copied.
        shift: True for causal language models, whose logits at a token predict the next one; False where
            the labels are shifted already. Has to be said for a model that returns a ``CausalLMOutput``.
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
        shift_is_said: whether somebody has said so.
        n_samples: labels of an epoch, if that was said.
    """

    def __init__(
        self, loss: str | nn.Module, *, shift: bool | None = None, n_samples: int | None = None
    ) -> None:
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
        self.shift_is_said = shift is not None
        self.shift = bool(shift)
        self.n_samples = n_samples
        if n_samples is not None:
            made.plan_training(n_samples=n_samples)
        self.counts_weights = False  # EvolvedTrainer counts by denominator()
        self._length: int | None = None

    @property
    def follows_training(self) -> bool:
        """True if the loss keeps running statistics."""
        return bool(states_of(self.criterion))

    @property
    def counts_samples(self) -> bool:
        """True if the loss has to know how many labels an epoch has."""
        return any(not isinstance(state, JointBatch) for state in states_of(self.criterion))

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
        if self._length is not None and self.counts_samples and labels is not None and _is_dense(labels):
            raise ConfigError(
                f"the loss follows its training, and a sample has {labels.shape[1]} labels here; say how "
                "many labels an epoch has: n_samples=..."
            )
        self.criterion.to(logits.device)
        total: Tensor = self.criterion(in_one_precision(self.criterion, logits), target)
        divisor = self._divisor(target, num_items_in_batch)
        # A batch without labels costs 0: 0 / 0 would make every weight of the model NaN in one step.
        mean: Tensor = total / torch.as_tensor(divisor).clamp(min=torch.finfo(torch.float32).tiny)
        return mean

    def denominator(self, labels: Tensor) -> Tensor:
        """The divisor of the sum of a micro-batch for a mean: labels that count, by their weights."""
        return sum_of_weights(labels[..., 1:] if self.shift else labels, self.criterion.weight)

    def _divisor(self, target: Tensor, told: Any) -> Any:
        if told is None:
            return sum_of_weights(target, self.criterion.weight)  # its rows are shifted already
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
        logits = _logits_of(outputs)
        if type(outputs).__name__.startswith("CausalLMOutput") and not self.shift_is_said:
            raise ConfigError(
                f"the model returns a {type(outputs).__name__}, as causal language models do, whose logits "
                "at a token predict the next one: say shift=True, or shift=False if the labels are shifted "
                "already"
            )
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


def _logits_of(outputs: Any) -> Tensor:
    if isinstance(outputs, Mapping) and "logits" in outputs:
        found = outputs["logits"]
    elif isinstance(outputs, (tuple, list)) and len(outputs):
        found = outputs[0]
    else:
        has = ", ".join(map(str, outputs)) if isinstance(outputs, Mapping) else type(outputs).__name__
        raise ConfigError(
            f"the model returns {has}; expected a dictionary with 'logits', which a Trainer can read: a "
            'model of one\'s own returns {"logits": logits}'
        )
    if not isinstance(found, Tensor):
        raise ConfigError(f"the logits of the model are a {type(found).__name__}; expected a tensor")
    return found
