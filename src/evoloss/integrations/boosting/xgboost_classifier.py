"""XGBoost's classifier with a loss of this package as its objective."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from torch import nn

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.integrations.boosting.labels import ClassNames
from evoloss.integrations.boosting.objective import BoostingObjective, Hessian

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
        ConfigError: by ``fit``, if ``objective`` is set, or labels of ``eval_set`` are no classes.

    A model that is saved by ``save_model`` is one of XGBoost: it predicts probabilities, and its classes are
    numbers from 0.

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

    def fit(self, X: Any, y: Any, *, eval_set: Any = None, **kwargs: Any) -> Self:
        """Fit trees; arguments are those of ``XGBClassifier.fit``."""
        if not (isinstance(self.objective, BoostingObjective) or self.objective == _DEFAULT):
            raise ConfigError(
                f"objective={self.objective!r} is set, but the loss is the objective: leave it out"
            )
        names = ClassNames.of(y)
        self._names = None  # XGBoost checks that the classes it sees are the numbers from 0
        self.objective = BoostingObjective(self.loss, len(names), hessian=self.hessian)
        if eval_set is not None:
            eval_set = [(x, names.encode(labels, "eval_set")) for x, labels in eval_set]
        super().fit(X, names.encode(y, "y"), eval_set=eval_set, **kwargs)
        self._names = names
        return self

    @property
    def classes_(self) -> Any:
        """The classes, in the order of the columns of ``predict_proba``."""
        return np.arange(self.n_classes_) if self._names is None else self._names.values

    def predict(self, X: Any, *, output_margin: bool = False, **kwargs: Any) -> Any:
        """Classes, or scores with ``output_margin``; arguments are those of ``XGBClassifier.predict``."""
        found = super().predict(X, output_margin=output_margin, **kwargs)
        return found if output_margin else self.classes_[np.asarray(found)]


_DEFAULT = XGBClassifier().objective
