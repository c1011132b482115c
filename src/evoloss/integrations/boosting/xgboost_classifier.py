"""XGBoost's classifier with a loss of this package as its objective."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from torch import nn

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.integrations.boosting.labels import ClassNames, names_of_fit
from evoloss.integrations.boosting.metric import BoostingMetric
from evoloss.integrations.boosting.objective import BoostingObjective, Hessian
from evoloss.integrations.boosting.sensed import sensed_in_trees
from evoloss.losses import NoiseRate

try:
    from xgboost import XGBClassifier
except ImportError as error:
    raise MissingExtraError.of("xgboost", "xgboost", "EvolvedXGBClassifier") from error


class EvolvedXGBClassifier(XGBClassifier):
    """``xgboost.XGBClassifier`` trained with a loss: labels of any type, probabilities by the softmax.

    Args:
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss.
        hessian: what stands for the second derivative, see :func:`~evoloss.integrations.boosting.objective`.
        **kwargs: those of ``XGBClassifier``, but for ``objective``.

    Raises:
        ConfigError: by ``fit``, if ``objective`` or ``scale_pos_weight`` is set, labels are missing or those
            of ``eval_set`` are no classes, or labels or weights do not fit.

    A model that is saved by ``save_model`` is one of XGBoost: it predicts probabilities, and its classes are
    numbers from 0. Metrics of XGBoost by name are what they always are; one that is a function gets scores
    before the softmax, see :func:`~evoloss.integrations.boosting.metric`.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> x, y = load_iris(return_X_y=True)
        >>> model = EvolvedXGBClassifier(loss="evolved-noise", n_estimators=20).fit(x, y)
        >>> model.predict_proba(x[:2]).shape
        (2, 3)
    """

    objective: Any

    def __init__(
        self, *, loss: str | nn.Module = "evolved-noise", hessian: Hessian = "abs", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.loss = loss
        self.hessian = hessian
        self._names: ClassNames | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters; the objective is no parameter here."""
        params: dict[str, Any] = super().get_params(deep)
        if isinstance(params.get("objective"), BoostingObjective) or params.get("objective") == _DEFAULT:
            params.pop("objective")
        return params

    def get_xgb_params(self) -> dict[str, Any]:
        """The parameters that XGBoost is given; it does not know those of this package."""
        params: dict[str, Any] = super().get_xgb_params()
        return {name: value for name, value in params.items() if name not in ("loss", "hessian")}

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, eval_set: Any = None, **kwargs: Any) -> Self:
        """Fit trees; arguments are those of ``XGBClassifier.fit``."""
        self._check_parameters()
        names, before = names_of_fit(X, y, sample_weight), self._names
        if eval_set is not None:
            eval_set = [(x, names.encode(labels, "eval_set")) for x, labels in eval_set]
        self._names = None  # XGBoost checks that the classes it sees are the numbers from 0
        self.objective = BoostingObjective(self.loss, len(names), hessian=self.hessian)
        try:
            super().fit(X, names.encode(y, "y"), sample_weight=sample_weight, eval_set=eval_set, **kwargs)
        except BaseException:
            self._names = before  # the trees are still those of the fit before
            raise
        self._names = names
        return self

    def load_model(self, fname: Any) -> None:
        """Read a model of XGBoost; its classes are numbers from 0."""
        super().load_model(fname)
        self.objective, self._names = _DEFAULT, None

    def _check_parameters(self) -> None:
        if not (isinstance(self.objective, BoostingObjective) or self.objective == _DEFAULT):
            raise ConfigError(
                f"objective={self.objective!r} is set, but the loss is the objective: leave it out"
            )
        if self.scale_pos_weight not in (None, 1):
            raise ConfigError(
                f"scale_pos_weight={self.scale_pos_weight!r} is for XGBoost's own objectives; give "
                "sample_weight to fit, or class weights to the loss: make_loss(name, weight=...)"
            )
        if isinstance(self.eval_metric, BoostingMetric):
            self.eval_metric.check_tool("xgboost")

    @property
    def classes_(self) -> Any:
        """The classes, in the order of the columns of ``predict_proba``."""
        if self._names is None and not hasattr(self, "n_classes_"):
            raise AttributeError("there are no classes_ before fit")
        return np.arange(self.n_classes_) if self._names is None else self._names.values

    @property
    def noise_rate_(self) -> NoiseRate:
        """The share of wrong labels, which a loss cannot tell in trees; its reason says why.

        A :class:`~evoloss.losses.NoiseRate`. The estimate reads how predictions change within an epoch, and
        those of trees change between rounds alone.

        Raises:
            AttributeError: if the loss senses none, as ``"adaptive"`` does, or there was no fit.
        """
        return sensed_in_trees(self.objective, self.loss)

    def predict(self, X: Any, *, output_margin: bool = False, **kwargs: Any) -> Any:
        """Classes, or scores with ``output_margin``; arguments are those of ``XGBClassifier.predict``."""
        found = super().predict(X, output_margin=output_margin, **kwargs)
        return found if output_margin else self.classes_[np.asarray(found)]


_DEFAULT = XGBClassifier().objective
