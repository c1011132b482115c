"""A loss of this package as a loss of Keras."""

from __future__ import annotations

from typing import Any

import keras

from evoloss.errors import ConfigError
from evoloss.formulas import TENSORS, BatchOperations
from evoloss.formulas.labels import row_labels, weighted_costs
from evoloss.integrations.keras.backend import BACKEND
from evoloss.integrations.keras.checks import checked_class, checked_flag, checked_labels, checked_name
from evoloss.integrations.keras.layer import Origin, origin_of
from evoloss.networks.sensing.training import costs_of_state, course_after, statistics_after
from evoloss.portable import portable


def _operations() -> BatchOperations:
    """The operations of the library that Keras runs on."""
    if BACKEND == "torch":
        return TENSORS
    from evoloss.integrations.jax.operations import JAX

    return JAX


def _is_symbolic() -> bool:
    """Return whether Keras asks a call for the shapes of its results alone."""
    try:
        from keras.src.backend.common.symbolic_scope import in_symbolic_scope
    except ImportError:
        return False
    return bool(in_symbolic_scope())


def _wide(dtype: Any) -> str:
    """The dtype that costs are computed in; to Keras float64 with float32 is float32."""
    return "float64" if keras.backend.standardize_dtype(dtype) == "float64" else "float32"


def _mask_of(predictions: Any) -> Any:
    """The mask of the positions of predictions that count, None without one."""
    from keras.src.backend.common.masking import get_keras_mask

    return get_keras_mask(predictions)


def _count_only(costs: Any, counted: Any) -> None:
    """Say which costs count, as Keras's own losses do; traced arrays of JAX take no attributes."""
    from keras.src.backend.common.masking import set_keras_mask

    set_keras_mask(costs, counted)


@keras.saving.register_keras_serializable(package="evoloss")
class EvolvedLoss(keras.losses.Loss):  # type: ignore[misc, unused-ignore]
    """A loss of this package, by its name, in the place of a cross-entropy of Keras.

    Labels are class indices, ``(...)`` or ``(..., 1)``, as for ``SparseCategoricalCrossentropy``, or class
    probabilities of the shape of the predictions, ``(..., C)``, as for ``CategoricalCrossentropy``. An index
    outside ``[0, C)`` costs NaN, or is the error of PyTorch. All positions of a call are its batch, to a loss
    that sees how far it is learned, but those that a mask of Keras leaves out where labels are indices.

    A loss that follows its training, such as ``"adaptive"``, needs a :class:`TrainingState` of its name as
    the last layer of the model, and takes in the batches of ``fit`` alone.

    Args:
        loss: a name that ``evoloss.make_loss`` takes, parameters included: ``"gce:q=0.5"``.
        from_logits: whether predictions are logits. As in Keras they are probabilities by default; logits are
            better, since a probability that has rounded to 0 has no gradient.
        ignore_class: class index whose positions cost nothing and do not count in the mean; None for no such.
        label_smoothing: share of the uniform distribution in each label's, from 0 to 1.
        reduction: as in Keras: ``"sum_over_batch_size"``, ``"mean"``, ``"mean_with_sample_weight"``,
            ``"sum"``, ``"none"`` or None.
        name: of the loss.
        dtype: that costs are computed in; float32 at least.

    Raises:
        ConfigError: if the loss works in PyTorch alone, or a parameter is out of range.
        UnknownNameError: if there is no loss of a name.

    Example:
        >>> import keras
        >>> from evoloss.integrations.keras import EvolvedLoss, TrainingState
        >>> model = keras.Sequential([keras.layers.Dense(3), TrainingState("adaptive", n_samples=50_000)])
        >>> model.compile("adam", EvolvedLoss("adaptive", from_logits=True))
    """

    def __init__(
        self,
        loss: str = "evolved",
        *,
        from_logits: bool = False,
        ignore_class: int | None = None,
        label_smoothing: float = 0.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        policy = keras.dtype_policies.get(dtype or keras.config.floatx())
        # Keras casts labels too, and half precision knows few class indices.
        wide = _wide(policy.compute_dtype)
        super().__init__(name=name or "evolved_loss", reduction=reduction, dtype=wide)
        self.loss, self.from_logits = checked_name(loss), checked_flag(from_logits)
        self.ignore_class = checked_class(ignore_class)
        self._portable = portable(loss, label_smoothing=label_smoothing)
        self.label_smoothing = self._portable.criterion.label_smoothing
        self._origin: Origin | None = None
        self._mask: Any = None

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss; see the class."""
        # A cast to another precision makes other predictions, which do not know where they come from.
        self._origin, self._mask = origin_of(y_pred), _mask_of(y_pred)
        try:
            return super().__call__(y_true, y_pred, sample_weight)
        finally:
            self._origin = self._mask = None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The cost of each position."""
        y_true, on, n_classes = checked_labels(y_true, y_pred), _operations(), y_pred.shape[-1]
        logits = keras.ops.cast(y_pred, _wide(y_pred.dtype))
        if not self.from_logits:
            logits = keras.ops.log(keras.ops.maximum(logits, _LEAST_PROBABILITY))
        is_index, ignored = len(y_true.shape) < len(y_pred.shape), self.ignore_class
        shape = tuple(y_pred.shape[:-1])
        rows = keras.ops.reshape(logits, (-1, n_classes))
        target = keras.ops.reshape(y_true, (-1,) if is_index else (-1, n_classes))
        if is_index:
            target = keras.ops.cast(target, "int64" if BACKEND == "torch" else "int32")
            is_one = (target >= 0) & (target < n_classes)
            if self._mask is not None:  # positions that are none are no part of the batch either
                ignored = -1 if ignored is None else ignored
                target = on.where(keras.ops.reshape(self._mask, (-1,)), target, ignored)
            if ignored is not None:
                is_one = is_one | (target == ignored)
            rows = on.where(is_one[:, None], rows, float("nan"))
        labels = row_labels(rows, target, None, ignored, self.label_smoothing, on)
        costs = weighted_costs(self._costs(rows, labels, on), labels, on)
        if len(shape) != 1:
            costs = keras.ops.reshape(costs, keras.ops.shape(y_pred)[:-1])
        if is_index and self.ignore_class is not None:
            _count_only(costs, keras.ops.reshape(labels.counted, keras.ops.shape(costs)))
        return costs

    def _costs(self, rows: Any, labels: Any, on: BatchOperations) -> Any:
        made, n_classes = self._portable, rows.shape[1]
        if not made.keeps_state:
            return made.costs(made.formula.function, made.numbers(n_classes), rows, labels, on)
        origin = self._origin
        if origin is None and _is_symbolic():  # Keras asks for the shape, by predictions of no layer
            return on.total(rows) if labels.shares is None else rows
        if origin is None:
            raise ConfigError(
                f"loss {self.loss!r} follows its training, and these predictions do not come from a layer "
                f"that keeps its statistics: add TrainingState({self.loss!r}, n_samples=len(train_set)) as "
                "the last layer of the model. As a metric take a loss that follows nothing"
            )
        layer = origin.layer
        if layer.loss != self.loss:
            raise ConfigError(f"the model keeps statistics for loss {layer.loss!r}, not for {self.loss!r}")
        numbers, log_probs, state = made.numbers(n_classes), on.log_softmax(rows), layer.statistics()
        if origin.is_new:
            origin.is_new, before = False, state
            state = statistics_after(numbers, before, log_probs, labels, on)
            layer.store({**state, **course_after(before, state, log_probs, labels, on)})
        return costs_of_state(numbers, state, log_probs, labels, on)

    def get_config(self) -> dict[str, Any]:
        """The arguments of this loss."""
        return {
            **super().get_config(),
            "loss": self.loss,
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
            "label_smoothing": self.label_smoothing,
        }


_LEAST_PROBABILITY = 1e-30  # the smallest in play
