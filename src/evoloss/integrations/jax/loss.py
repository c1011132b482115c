"""Losses as pure functions of JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor, nn

from evoloss.errors import ConfigError
from evoloss.integrations.jax.checks import checked_call, checked_flag, checked_state
from evoloss.integrations.jax.operations import JAX
from evoloss.losses.call.numbers import positive_count
from evoloss.losses.state import NAME, SIZE
from evoloss.networks import NoiseRate
from evoloss.networks.sensing.course import initial_course
from evoloss.networks.sensing.training import course_after, first_statistics
from evoloss.portable import PortableLoss, portable
from evoloss.portable.calls import batch_of, costs_in_training, loss_of_batch, reduced_rows

State = dict[str, jax.Array]
"""Statistics of a training by name; empty for a loss that keeps none."""


def functional(loss: str | nn.Module, **parameters: Any) -> JaxLoss:
    """Make a loss a pure function of JAX, ``(state, logits, target) -> (loss, state)``.

    Args:
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss of this package. If that is in a
            training its statistics are in ``stored_state``.
        **parameters: of the loss, with a name: ``reduction="none"``, ``label_smoothing=0.1``, ``q=0.5``,
            ``weight`` as any array ``(C,)``.

    Raises:
        ConfigError: if the loss works in PyTorch alone, or a parameter is out of range.
        UnknownNameError: if there is no loss of a name.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from evoloss.integrations.jax import functional
        >>> loss = functional("adaptive")
        >>> state = loss.init_state(n_classes=3, n_samples=50_000)
        >>> value, state = jax.jit(loss)(state, jnp.zeros((4, 3)), jnp.array([0, 1, 2, 0]))
        >>> print(f"{value:.3f}, {state['into']:.0f} samples")
        1.525, 4 samples
    """
    weight = parameters.get("weight")
    if weight is not None and not isinstance(weight, (Tensor, str)):
        parameters = {**parameters, "weight": torch.tensor(np.array(weight, np.float64))}
    return JaxLoss(portable(loss, **parameters))


def per_example(loss: str | nn.Module, **parameters: Any) -> Any:
    """Make a loss a function of logits and targets that gives the cost of every position, as optax does.

    Args:
        loss: as for :func:`functional`; one that keeps no state.
        **parameters: of the loss, with a name; not ``reduction``, which is ``"none"``.

    Raises:
        ConfigError: if it keeps a state, or works in PyTorch alone, or a parameter is out of range.
        UnknownNameError: if there is no loss of a name.

    Example:
        >>> import jax.numpy as jnp
        >>> from evoloss.integrations.jax import per_example
        >>> costs = per_example("gce")
        >>> print(costs(jnp.zeros((2, 4)), jnp.array([0, 3])))
        [0.8872441 0.8872441]
    """
    if parameters.get("reduction", "none") != "none":
        raise ConfigError(
            f"per_example gives the cost of every position, got reduction={parameters['reduction']!r}: leave "
            "it out, or use functional(...)"
        )
    made = functional(loss, **parameters)
    made.loss.criterion.reduction = "none"  # of a copy
    if made.keeps_state:
        raise ConfigError(
            f"loss {made.loss.name!r} follows its training: use functional(...), which takes a state and "
            "gives it back"
        )
    return lambda logits, target: made({}, logits, target)[0]


class JaxLoss:
    """A loss as a pure function of JAX; :func:`functional` makes it.

    It goes through ``jax.jit``, ``jax.grad`` (``argnums=1``, ``has_aux=True``) and ``jax.vmap``. The class
    axis is the last one: logits ``(..., C)``, targets ``(...)`` of class indices or ``(..., C)`` of class
    probabilities. All positions of a call are its batch, also to a loss that sees how far it is learned, so
    under ``vmap`` over samples each is a batch of its own. An index outside ``[0, C)`` costs NaN.

    Attributes:
        loss: the formula with its numbers.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from evoloss.integrations.jax import functional
        >>> loss = functional("evolved-noise", reduction="sum")
        >>> slope, state = jax.grad(loss, argnums=1, has_aux=True)({}, jnp.zeros((2, 4)), jnp.array([0, 3]))
        >>> print(slope[0], state)
        [-0.75  0.25  0.25  0.25] {}
    """

    def __init__(self, loss: PortableLoss) -> None:
        self.loss = loss

    @property
    def keeps_state(self) -> bool:
        """True if the loss keeps statistics of its training."""
        return self.loss.keeps_state

    @property
    def stored_state(self) -> State | None:
        """The statistics of the training in which the loss is that this one is made of; None without."""
        values = self.loss.stored_state()
        return None if values is None else {name: jnp.asarray(value) for name, value in values.items()}

    def init_state(self, n_classes: int, n_samples: int | None = None) -> State:
        """The state of a training that has not begun: float32 arrays by the names of the module's.

        Args:
            n_classes: the class count, at least 2.
            n_samples: size of the training set, for a loss that follows its training; None for the one that
                the loss was made with.

        Raises:
            ConfigError: if a number is out of range, or ``n_samples`` is not known.
        """
        count = positive_count("n_classes", n_classes, "a state")
        if count < 2:
            raise ConfigError(f"a state is for 2 classes or more, got n_classes={count}")
        if not self.keeps_state:
            return {}
        if n_samples is None:
            known = self.loss.criterion.get_submodule(NAME).get_buffer(SIZE)
            n_samples = int(known) or None
        if n_samples is None:
            raise ConfigError(
                f"loss {self.loss.name!r} follows its training by the epoch: give n_samples=len(train_set)"
            )
        size = positive_count("n_samples", n_samples, "a state")
        course = {name: jnp.asarray(value.numpy()) for name, value in initial_course(count).items()}
        return {**first_statistics(count, size, jnp.zeros((), jnp.float32), JAX), **course}

    def __call__(
        self, state: Mapping[str, Any], logits: Any, target: Any, *, training: bool = True
    ) -> tuple[jax.Array, State]:
        """Cost of predicting ``logits`` where ``target`` is right, and the state after the batch.

        Args:
            state: from :meth:`init_state` or the call before.
            logits: ``(..., C)``.
            target: class indices ``(...)``, or class probabilities ``(..., C)``.
            training: whether the batch is one of the training, which the state takes in first; static.

        Raises:
            ConfigError: if the state is not one of this loss, or not for the class count, or shapes or
                dtypes do not fit.
        """
        criterion, is_training = self.loss.criterion, checked_flag(training)
        logits, target = checked_call(logits, target, criterion.ignore_index, self.loss.weight)
        options = self.loss.weight, criterion.ignore_index, criterion.reduction, criterion.label_smoothing
        if not self.keeps_state:
            if not isinstance(state, Mapping) or state:
                told = ", ".join(state) if isinstance(state, Mapping) else type(state).__name__
                raise ConfigError(f"this loss keeps no state, got one with {told}; give {{}}")
            cost, costs = self.loss.formula.function, self.loss.costs
            return loss_of_batch(costs, cost, self.loss.numbers, logits, target, *options, JAX), {}
        n_classes = logits.shape[-1]
        state = checked_state(state, n_classes)
        rows, labels, shape = batch_of(logits, target, *options[:2], options[3], JAX)
        numbers, log_probs = self.loss.numbers(n_classes), JAX.log_softmax(rows)
        costs, after = costs_in_training(numbers, state, log_probs, labels, is_training, JAX)
        if is_training:
            after = {**after, **course_after(state, after, log_probs, labels, JAX)}
        return reduced_rows(costs, labels, options[2], shape, JAX), after

    def noise_rate(self, state: Mapping[str, Any]) -> NoiseRate:
        """The share of wrong labels that a state tells of; see ``EvolvedLoss.noise_rate``.

        It reads numbers, so it is asked outside of compiled functions.

        Raises:
            ConfigError: if the state is not one of this loss, or within ``jax.jit``.
        """
        arrays = checked_state(state) if self.keeps_state else {}
        if any(isinstance(array, jax.core.Tracer) for array in arrays.values()):
            raise ConfigError(
                "noise_rate reads numbers: ask it outside of jax.jit, of the state that it gave"
            )
        return self.loss.noise_rate({name: np.array(value) for name, value in arrays.items()})
