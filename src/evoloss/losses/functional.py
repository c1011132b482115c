"""Losses as pure functions: the statistics of a training go in and come out."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from evoloss.errors import ConfigError
from evoloss.losses.base import ClassificationLoss
from evoloss.losses.call.numbers import positive_count
from evoloss.losses.parameters import ParametricLoss
from evoloss.losses.resolve import make_loss
from evoloss.losses.state import NAME, SIZE, UNKNOWN_SIZE, other_class_count, states_of
from evoloss.networks import BatchSums, NoiseRate, RunningState, noise_rate_of

__all__ = ["FunctionalLoss", "classification_loss", "functional"]

State = dict[str, Tensor]
"""Statistics of a training by name; empty for a loss that keeps none."""


def functional(
    loss: str | ClassificationLoss,
    *,
    n_samples: int | None = None,
    epochs: int | None = None,
    **parameters: Any,
) -> FunctionalLoss:
    """Make a loss a pure function ``(state, logits, target) -> (loss, state)``.

    Args:
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss of this package, which is copied.
        n_samples: size of the training set, for a loss that has to know; see ``plan_training``.
        epochs: passes over it, likewise.
        **parameters: of the loss, with a name: ``reduction="none"``, ``label_smoothing=0.1``, ``q=0.5``.

    Raises:
        ConfigError: if it is no loss of this package, or a parameter is out of range.
        UnknownNameError: if there is no loss of a name.

    Example:
        >>> loss = functional("adaptive", n_samples=50_000)
        >>> state = loss.init_state(n_classes=3)
        >>> value, state = loss(state, torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]))
        >>> print(f"{value:.3f}, {state['into']:.0f} samples")
        1.525, 4 samples
    """
    criterion = classification_loss(loss, **parameters)
    if n_samples is not None:
        criterion.plan_training(n_samples=n_samples, epochs=epochs)
    return FunctionalLoss(criterion)


def classification_loss(loss: str | nn.Module, **parameters: Any) -> ClassificationLoss:
    """Make a loss of this package from its name, or a copy of one that is made.

    Raises:
        ConfigError: if it is no loss of this package, or is given parameters although it is made.
        UnknownNameError: if there is no loss of a name.
    """
    made = make_loss(loss, **parameters) if isinstance(loss, str) else copy.deepcopy(loss)
    if not isinstance(made, ClassificationLoss):
        raise ConfigError(
            f"the loss is a {type(made).__name__}; expected the name of a loss, or one that make_loss gives"
        )
    if parameters and not isinstance(loss, str):
        raise ConfigError(f"{', '.join(parameters)}: give parameters with a name, or to the loss itself")
    return made


class FunctionalLoss:
    """A loss as a pure function of its state; :func:`functional` makes it.

    What it gives is what the module gives, entry for entry, and where the module keeps statistics of its
    training they come back instead. Without a state the function may be transformed by ``torch.func``; with
    one by ``grad`` and ``vmap`` over states, logits and targets together.

    Attributes:
        criterion: the loss that it is made of.

    Example:
        >>> loss = functional("gce", reduction="none")
        >>> value, state = loss({}, torch.zeros(2, 4), torch.tensor([0, 3]))
        >>> print(value, state)
        tensor([0.8872, 0.8872]) {}
    """

    def __init__(self, criterion: ClassificationLoss) -> None:
        self.criterion = criterion

    @property
    def keeps_state(self) -> bool:
        """True if the loss keeps statistics of its training."""
        return bool(states_of(self.criterion))

    def init_state(self, n_classes: int, n_samples: int | None = None) -> State:
        """The state of a training that has not begun.

        Its entries are those of the module, so that ``criterion.loss_state.load_state_dict(state)`` and
        ``criterion.loss_state.values()`` change one for the other.

        Args:
            n_classes: the class count, at least 1.
            n_samples: size of the training set, for a loss that follows the epochs of its training.

        Raises:
            ConfigError: if a number is out of range, or the loss has to know ``n_samples``.
        """
        count = positive_count("n_classes", n_classes, "a state")
        if not self.keeps_state:
            return {}
        state = {name: value.clone() for name, value in _initial(self.criterion, count).items()}
        if SIZE in state:
            known = self.criterion.get_submodule(NAME).get_buffer(SIZE)
            size = known if n_samples is None else positive_count("n_samples", n_samples, "a state")
            state[SIZE] = torch.as_tensor(size, dtype=state[SIZE].dtype).clone()
            if not state[SIZE].item() > 0:
                warnings.warn(UNKNOWN_SIZE, stacklevel=2)
        return state

    def __call__(
        self,
        state: Mapping[str, Tensor],
        logits: Tensor,
        target: Tensor,
        *,
        training: bool = True,
        **arguments: Any,
    ) -> tuple[Tensor, State]:
        """Cost of predicting ``logits`` where ``target`` is right, and the state after the batch.

        Args:
            state: from :meth:`init_state` or the call before; it stays as it is.
            logits: as for the module.
            target: likewise.
            training: whether the batch is one of the training, which the state takes in first. If not, the
                state comes back as it was.
            **arguments: what a call of the module needs beside, such as the ``index`` of each sample.

        Raises:
            ConfigError: if the state is not one of this loss.
            Exception: for misuse, what the module raises.
        """
        self._check(state)
        if not self.keeps_state:
            result: Tensor = self.criterion(logits, target, **arguments)
            return result, {}
        held = _HeldState(state, training=training)
        # The same loss with another state beside it: all else is shared, and nothing of it is written to.
        loss = object.__new__(type(self.criterion))
        modules = {**self.criterion._modules, NAME: held}
        loss.__dict__ = {**self.criterion.__dict__, "_modules": modules}
        return loss(logits, target, **arguments), held.values()

    def noise_rate(self, state: Mapping[str, Tensor]) -> NoiseRate:
        """The share of wrong labels that a state tells of; see ``EvolvedLoss.noise_rate``.

        Raises:
            ConfigError: if the state is not one of this loss.
        """
        self._check(state)
        return noise_rate_of(getattr(self.criterion, "network", None), state)

    def _check(self, state: object) -> None:
        """Raise ConfigError if a state is not one of this loss."""
        if not isinstance(state, Mapping):
            raise ConfigError(
                f"the state is a {type(state).__name__}; expected what init_state gives. The order of the "
                "arguments is (state, logits, target)"
            )
        if not self.keeps_state:
            if state:
                raise ConfigError(f"this loss keeps no state, got one with {', '.join(state)}; give {{}}")
            return
        expected = self.criterion.get_submodule(NAME).state_dict().keys()
        if state.keys() != expected:
            raise ConfigError(
                f"the state has {', '.join(sorted(state)) or 'nothing'}; expected what init_state gives: "
                f"{', '.join(expected)}"
            )


def _initial(criterion: Any, n_classes: int) -> RunningState:
    """The statistics of a training that has not begun."""
    source = criterion.network if isinstance(criterion, ParametricLoss) else criterion
    state: RunningState = source.initial_state(n_classes)
    return state


class _HeldState(nn.Module):
    """A stand-in for the :class:`~evoloss.losses.state.LossState` of a loss, by values that are given."""

    synchronised = False

    def __init__(self, state: Mapping[str, Tensor], *, training: bool) -> None:
        super().__init__()
        self._values = {name: value.clone() for name, value in state.items()}
        self._takes_in = training

    def values(self) -> State:
        """The statistics as they are now."""
        return self._values

    def get_buffer(self, target: str) -> Tensor:
        return self._values[target]

    def arrays(self, *_: Any) -> None:
        return None

    def takes_in(self, logits: Tensor) -> bool:
        return self._takes_in and logits.shape[1] > 1

    def update(self, values: RunningState) -> None:
        # As they are stored: a state has its own precision, and is the same whatever that of the logits.
        before = self._values
        self._values = {**before, **{name: value.to(before[name]) for name, value in values.items()}}

    def begun(self, initial: Callable[[int], RunningState], log_probs: Tensor) -> State:
        n_classes, values = log_probs.shape[1], self._values
        for name, value in initial(n_classes).items():
            if value.dim() and value.shape != values[name].shape:
                raise other_class_count(len(values[name]), n_classes)
        return {name: value.to(log_probs.device) for name, value in values.items()}

    def of_call(
        self,
        logits: Tensor,
        initial: Callable[[int], RunningState],
        after: Callable[[RunningState], RunningState],
    ) -> State:
        if self.takes_in(logits):
            self.update(after(self.begun(initial, logits.detach())))
        return self.begun(initial, logits)

    def follow(self, device: torch.device) -> None:
        self._values = {name: value.to(device) for name, value in self._values.items()}

    def over_processes(self, sums: BatchSums) -> BatchSums:
        return sums

    def gathered(self, rows: Tensor) -> Tensor:
        return rows
