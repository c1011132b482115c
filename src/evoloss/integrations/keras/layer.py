"""A layer that keeps the statistics of the training that a loss follows."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from evoloss.errors import ConfigError
from evoloss.integrations.keras.checks import checked_name
from evoloss.losses.call.numbers import positive_count
from evoloss.networks import NoiseRate
from evoloss.networks.sensing.course import initial_course
from evoloss.networks.sensing.sensor import initial_state
from evoloss.portable import portable

_MARK = "_evoloss_state"
_SIZE = "n_samples"
_MARKED: dict[int, Origin] = {}  # by the identity of predictions that take no attributes


class Origin:
    """The layer that predictions come from.

    Attributes:
        layer: the layer that they come from.
        is_new: whether they are of the training, and no loss has taken them in yet. Another one that is
            asked about the same predictions, such as a metric, must not count them twice.
    """

    def __init__(self, layer: TrainingState, is_new: bool) -> None:
        self.layer, self.is_new = layer, is_new


@keras.saving.register_keras_serializable(package="evoloss")
class TrainingState(keras.layers.Layer):  # type: ignore[misc, unused-ignore]
    """The last layer of a model whose loss follows its training: it gives what it gets.

    The statistics are weights of the model that are not trained, so that they are saved with it, in
    ``.keras`` files as in ``save_weights``, and a training goes on where it was. The loss finds them by the
    predictions, so nothing may come after this layer.

    Args:
        loss: the name of the loss, such as ``"adaptive"``.
        n_samples: size of the training set.
        **kwargs: as for every layer, such as ``name``.

    Raises:
        ConfigError: if the loss keeps no state, or ``n_samples`` is below 1.
        UnknownNameError: if there is no loss of a name.

    Example:
        See :class:`~evoloss.integrations.keras.EvolvedLoss`.
    """

    def __init__(self, loss: str, n_samples: int, **kwargs: Any) -> None:
        super().__init__(**{"trainable": False, "dtype": "float32", "autocast": False, **kwargs})
        self.supports_masking = True  # it hands a mask on
        self.loss = checked_name(loss)
        self.n_samples = positive_count(_SIZE, n_samples, "the state of a training")
        self._portable = portable(loss)
        if not self._portable.keeps_state:
            raise ConfigError(f"loss {loss!r} keeps no state: it needs no TrainingState")
        self._statistics: dict[str, Any] = {}

    def build(self, input_shape: Any) -> None:
        """Make the statistics, for the class count that the predictions have."""
        n_classes = input_shape[-1]
        if n_classes is None or n_classes < 2:
            raise ConfigError(
                f"a TrainingState comes after predictions with an entry a class, two or more; got the shape "
                f"{tuple(input_shape)}"
            )
        first = {**initial_state(n_classes), **initial_course(n_classes)}
        first[_SIZE] = first[_SIZE] + self.n_samples
        self._statistics = {
            name: self.add_weight(
                name=name,
                shape=tuple(value.shape),
                initializer=keras.initializers.Constant(value.numpy()),
                dtype="float32",
                trainable=False,
            )
            for name, value in first.items()
        }
        super().build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Mark the predictions with this layer."""
        found, expected = inputs.shape[-1], self._statistics["confident"].shape[0]
        if found != expected:
            raise ConfigError(
                f"this TrainingState is of a training with {expected} classes, and the predictions have "
                f"{found}: give each output a layer of its own"
            )
        marked = keras.ops.copy(inputs)  # another object, which alone has the mark
        _mark(marked, Origin(self, is_new=bool(training)))
        return marked

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the input."""
        return input_shape

    def statistics(self) -> dict[str, Any]:
        """The statistics by name, in the arrays of the backend."""
        return {name: variable.value for name, variable in self._statistics.items()}

    def store(self, values: Mapping[str, Any]) -> None:
        """Put others in their place."""
        for name, variable in self._statistics.items():
            variable.assign(values[name])

    @property
    def noise_rate(self) -> NoiseRate:
        """The share of wrong labels that the training tells of; see ``evoloss.EvolvedLoss.noise_rate``."""
        if not self._statistics:
            return NoiseRate(reason="no epoch has been completed")
        values = {name: np.array(variable) for name, variable in self._statistics.items()}
        return self._portable.noise_rate(values)

    def get_config(self) -> dict[str, Any]:
        """The arguments of this layer."""
        return {**super().get_config(), "loss": self.loss, _SIZE: self.n_samples}


def _mark(predictions: Any, origin: Origin) -> None:
    """Note the origin of predictions."""
    try:
        setattr(predictions, _MARK, origin)
    except AttributeError:  # traced arrays of JAX take no attributes
        _MARKED[id(predictions)] = origin
        weakref.finalize(predictions, _MARKED.pop, id(predictions), None)


def origin_of(predictions: Any) -> Origin | None:
    """The origin of predictions; None if they come from no layer that keeps a state."""
    found = getattr(predictions, _MARK, None) or _MARKED.get(id(predictions))
    return found if isinstance(found, Origin) else None
