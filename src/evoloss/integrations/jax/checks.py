"""Checks of what a loss is given in JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from evoloss.errors import ConfigError
from evoloss.networks.sensing.course import ARRAYS_OF_COURSE, EPOCHS, READINGS, initial_course
from evoloss.networks.sensing.sensor import OF_CLASSES, SCALARS

_NAMES = (*SCALARS, *OF_CLASSES, *initial_course(0))


def checked_call(
    logits: Any, target: Any, ignore_index: int, weight: Sequence[float] | None
) -> tuple[jax.Array, jax.Array]:
    """The arrays of a call; rows of an index that is no class are NaN.

    Args:
        logits: ``(..., C)``.
        target: class indices ``(...)``, or class probabilities ``(..., C)``.
        ignore_index: index that stands for no class.
        weight: a factor a class, or None.

    Raises:
        ConfigError: if shapes or dtypes do not fit.
    """
    logits, target = _array("logits", logits), _array("target", target)
    if not jnp.issubdtype(logits.dtype, jnp.floating):
        raise ConfigError(
            f"logits are {logits.dtype}; expected floating-point scores, before the softmax. The order of "
            "the arguments is (state, logits, target)"
        )
    if not logits.ndim:
        raise ConfigError("logits are one number; expected shape (..., C), with a class axis")
    places, n_classes = logits.shape[:-1], logits.shape[-1]
    if weight is not None and len(weight) != n_classes:
        raise ConfigError(f"weight has {len(weight)} factors, and the logits have {n_classes} classes")
    if target.shape == logits.shape:
        return logits, target
    if target.shape != places:
        raise ConfigError(
            f"target has shape {target.shape}, expected class indices {places} or class probabilities "
            f"{logits.shape}{_hint(logits.shape, target.shape)}"
        )
    if not jnp.issubdtype(target.dtype, jnp.integer):
        raise ConfigError(f"class indices are {target.dtype}; expected integers, as target.astype(int) gives")
    is_one = (target >= 0) & (target < n_classes) | (target == ignore_index)
    return jnp.where(is_one[..., None], logits, jnp.nan), target


def _array(name: str, value: Any) -> jax.Array:
    """A value as an array."""
    try:
        if value is not None:  # which older versions take for NaN
            return jnp.asarray(value)
    except (TypeError, ValueError):
        pass
    raise ConfigError(
        f"got a {type(value).__name__} for {name}; expected an array. The order of the arguments is "
        "(state, logits, target)"
    )


def _hint(logits: tuple[int, ...], target: tuple[int, ...]) -> str:
    """The likely mistake behind shapes that do not fit; empty without a guess."""
    if target == (*logits[:-1], 1):
        return ": take target[..., 0]"
    if len(logits) > 2 and target == (logits[0], *logits[2:]):
        return ": the class axis is the last one here, so give jnp.moveaxis(logits, 1, -1)"
    return ""


def checked_flag(training: Any) -> bool:
    """The flag ``training``, as Python has it.

    Raises:
        ConfigError: if that is not known when the call is compiled.
    """
    if isinstance(training, jax.core.Tracer):
        raise ConfigError(
            "training has to be known when the call is compiled: jax.jit(loss, static_argnames='training')"
        )
    return bool(training)


def checked_state(state: Any, n_classes: int | None = None) -> dict[str, jax.Array]:
    """The arrays of a state.

    Args:
        state: by name.
        n_classes: of the logits; None where there are none.

    Raises:
        ConfigError: if it is not what ``init_state`` gives, or not for that class count.
    """
    if not isinstance(state, Mapping):
        raise ConfigError(
            f"the state is a {type(state).__name__}; expected what init_state gives. The order of the "
            "arguments is (state, logits, target)"
        )
    if state.keys() != set(_NAMES):
        raise ConfigError(
            f"the state has {', '.join(sorted(map(str, state))) or 'nothing'}; expected what init_state "
            f"gives: {', '.join(_NAMES)}"
        )
    arrays = {name: jnp.asarray(state[name]) for name in _NAMES}
    shape = arrays["confident"].shape
    found = shape[0] if shape else 0
    if n_classes is not None and found != n_classes and len(shape) == 1:
        raise ConfigError(f"the state is of a training with {found} classes, and the logits have {n_classes}")
    for name, array in arrays.items():
        expected = _shape(name, found)
        if array.shape != expected or not jnp.issubdtype(array.dtype, jnp.floating):
            raise ConfigError(
                f"{name} of the state has shape {array.shape} and dtype {array.dtype}; expected {expected} "
                "and float32, as init_state gives it. A state of several trainings goes through jax.vmap"
            )
    return arrays


def _shape(name: str, n_classes: int) -> tuple[int, ...]:
    """The shape of a statistic."""
    if name == "course":
        return EPOCHS, len(READINGS)
    return (n_classes,) if name in OF_CLASSES or name in ARRAYS_OF_COURSE else ()
