"""A loss that takes part in a training: what it asks to be told."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from evoloss.errors import ConfigError, EvolossError
from evoloss.losses import ClassificationLoss, NoiseRate
from evoloss.losses.parameters import ParametricLoss
from evoloss.losses.state import states_of
from evoloss.losses.training_call import training_arguments
from evoloss.training.user_code import is_own

_TRIED = 8  # samples of the call that a loss is tried with


def prepared_criterion(
    loss: nn.Module, device: torch.device, *, n_samples: int, epochs: int, samples_per_epoch: int, world: int
) -> nn.Module:
    """Copy a loss for a training, and say how long that is to one that asks.

    Args:
        loss: the loss; it stays as it is.
        device: of the training.
        n_samples: size of the training set.
        epochs: passes over it.
        samples_per_epoch: of all processes, without incomplete batches.
        world: how many processes train; running statistics are those of the joint batches.
    """
    criterion = copy.deepcopy(loss).to(device).train()
    if isinstance(criterion, ClassificationLoss):
        criterion.plan_training(n_samples=n_samples, epochs=epochs, samples_per_epoch=samples_per_epoch)
    for state in states_of(criterion):
        state.synchronised = world > 1
    return criterion


def sensed_noise_rate(criterion: nn.Module) -> NoiseRate | None:
    """The share of wrong labels that a loss has sensed in its training; None for one that senses none."""
    return criterion.noise_rate if isinstance(criterion, ParametricLoss) and criterion.senses_noise else None


def checked_cost(cost: object, name: str) -> Tensor:
    """Return what a loss made of a batch, if a classifier can be trained by it.

    Args:
        cost: the result of a training call.
        name: of the loss, for messages.

    Raises:
        ConfigError: if it is no scalar tensor, or does not depend on the logits.
    """
    if not isinstance(cost, Tensor):
        raise ConfigError(f"loss {name} returned {type(cost).__name__}; expected a tensor, {_MEAN}")
    if cost.dim():
        raise ConfigError(
            f"loss {name} returned a tensor of shape {tuple(cost.shape)}; expected a scalar, {_MEAN}"
        )
    if not cost.requires_grad:
        raise ConfigError(
            f"loss {name} returned a number without a gradient; it has to be computed from the logits by "
            "differentiable operations of PyTorch, without detach(), item() or no_grad()"
        )
    return cost


_MEAN = "the mean over the batch (reduction='mean')"


def try_criterion(name: str, loss: nn.Module, *, n_classes: int) -> None:
    """Find a mistake in a loss before it fails every run, by one training call of a copy.

    Losses of this package are taken at their word, but for ``reduction="none"``.

    Args:
        name: of the loss, for messages.
        loss: it stays as it is.
        n_classes: of the data set.

    Raises:
        ConfigError: if the call fails, or its result is none to train by.
    """
    if isinstance(loss, ClassificationLoss) and is_own(loss) and loss.reduction != "none":
        return
    criterion = prepared_criterion(
        loss, torch.device("cpu"), n_samples=_TRIED, epochs=1, samples_per_epoch=_TRIED, world=1
    )
    index = torch.arange(_TRIED)
    logits = torch.zeros(_TRIED, n_classes, dtype=torch.float32, requires_grad=True)
    with torch.random.fork_rng(devices=[]):
        try:
            cost = criterion(logits, index % n_classes, **training_arguments(criterion, index, 0.1))
        except EvolossError:
            raise
        except Exception as error:  # anything can go wrong in the user's code; the cause stays attached
            raise ConfigError(
                f"loss {name}: the call with logits of shape {tuple(logits.shape)} and class indices of "
                f"shape {tuple(index.shape)} failed with {type(error).__name__}: {error}"
            ) from error
    checked_cost(cost, name)
