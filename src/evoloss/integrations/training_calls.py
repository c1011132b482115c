"""The training calls of a loss inside somebody else's loop: told what the loss asks for, and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from evoloss.errors import ConfigError
from evoloss.losses import ClassificationLoss
from evoloss.losses.agreement import agreement
from evoloss.losses.parameters import ParametricLoss
from evoloss.losses.state import SIZE, states_of


class TrainingCalls:
    """Hooks on a loss, from :meth:`begin` to :meth:`end`.

    Args:
        criterion: the loss.
        told: what a call can be told, by the name that a loss has in ``training_arguments``: a function that
            returns it, or None where the call has to say it.
        size_is_sure: whether somebody has said how many labels an epoch has. Otherwise a label a sample is
            taken for granted, and labels with more axes are an error for a loss that counts epochs.

    Attributes:
        criterion: the loss.
        cost: what the last training call returned, without gradient; None where that was no scalar.
        agreement: how far the labels of its batch are learned, from 0 at chance to 1; None for a loss that
            does not depend on it.
        n_labels: how many labels it had.
    """

    def __init__(
        self,
        criterion: ClassificationLoss,
        told: Mapping[str, Callable[[], Any]],
        *,
        size_is_sure: bool = False,
    ) -> None:
        self.criterion = criterion
        self.cost: Tensor | None = None
        self.agreement: Tensor | None = None
        self.n_labels = 0
        self._told = {name: told[name] for name in criterion.training_arguments if name in told}
        self._counts = not size_is_sure and counts_epochs(criterion)
        self._handles: list[Any] = []

    def begin(self) -> None:
        """Begin to tell and to read."""
        self.end()
        self._handles = [
            self.criterion.register_forward_pre_hook(self._before, with_kwargs=True),
            self.criterion.register_forward_hook(self._after, with_kwargs=True),
        ]

    def end(self) -> None:
        """Leave the loss as it was."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def clear(self) -> None:
        """Forget the last call."""
        self.cost, self.agreement, self.n_labels = None, None, 0

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not (module.training and torch.is_grad_enabled()):
            return None
        if self._counts:
            input, target = _input_and_target(args, kwargs)
            of_sample = target.shape[2 if target.shape == input.shape else 1 :]
            if len(of_sample):
                raise ConfigError(
                    "this loss follows its training by the epoch, and a sample has "
                    f"{of_sample.numel()} labels here: say how many labels an epoch has, "
                    "LossCallback(n_samples=...)"
                )
        fresh = {name: tell() for name, tell in self._told.items() if name not in kwargs}
        return args, {**kwargs, **fresh}

    def _after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        if not module.training or not torch.is_grad_enabled() or torch.compiler.is_compiling():
            return
        input, target = _input_and_target(args, kwargs)
        self.cost = result.detach() if isinstance(result, Tensor) and not result.dim() else None
        self.n_labels = input.numel() // max(input.shape[0 if input.dim() == 1 else 1], 1)
        if isinstance(self.criterion, ParametricLoss) and sees_its_batch(self.criterion):
            self.agreement = agreement(input, target, ignore_index=self.criterion.ignore_index)


def counts_epochs(criterion: ClassificationLoss) -> bool:
    """True if a loss has to know how many samples an epoch has."""
    return "n_samples" in criterion.plan_arguments or any(
        SIZE in state.values() for state in states_of(criterion)
    )


def sees_its_batch(criterion: ParametricLoss) -> bool:
    """True if the cost of a prediction depends on how far labels have been learned."""
    return criterion.network.sees_batch or criterion.network.keeps_state


def _input_and_target(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, Tensor]:
    said = dict(zip(("input", "target"), args, strict=False)) | kwargs
    return said["input"], said["target"]
