"""LightGBM's classifier with a loss of this package as its objective."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
from torch import nn

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.integrations.boosting.labels import ClassNames, names_of_fit
from evoloss.integrations.boosting.metric import BoostingMetric, metric
from evoloss.integrations.boosting.objective import BoostingObjective, Hessian
from evoloss.integrations.boosting.sensed import sensed_in_trees
from evoloss.losses import NoiseRate

try:
    from lightgbm import LGBMClassifier
except ImportError as error:
    raise MissingExtraError.of("lightgbm", "lightgbm", "EvolvedLGBMClassifier") from error

_DEFAULT_METRICS = ("multi_logloss", "binary_logloss")
_OWN = ("loss", "hessian")
# Metrics of LightGBM that take scores as they are. The others want probabilities, which it has not here.
_OF_SCORES = ("multi_error", "auc", "auc_mu", "average_precision", "None")
_OBJECTIVES = ("objective", "objective_type", "app", "application")  # names of one parameter
_METRICS = ("metric", "metrics", "metric_types")
_BALANCES = {"is_unbalance": False, "unbalance": False, "unbalanced_sets": False, "scale_pos_weight": 1}


class EvolvedLGBMClassifier(LGBMClassifier):
    """``lightgbm.LGBMClassifier`` trained with a loss: classes and probabilities as with its own objectives.

    LightGBM predicts scores for an objective that is a function, and no probabilities or classes; here
    ``predict_proba`` is their softmax. What it tells of ``eval_set`` by default is the negative
    log-likelihood, ``"cross_entropy"``.

    Args:
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss.
        hessian: what stands for the second derivative, see :func:`~evoloss.integrations.boosting.objective`.
        **kwargs: those of ``LGBMClassifier``, but for ``objective``.

    Raises:
        ConfigError: by ``fit``, if ``objective``, ``is_unbalance`` or ``scale_pos_weight`` is set, by any of
            its names, labels are missing, of fewer than two classes or not as many as rows, ``class_weight``
            or ``eval_set`` have other classes, or a metric of LightGBM is asked for that wants probabilities.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> x, y = load_iris(return_X_y=True)
        >>> model = EvolvedLGBMClassifier(loss="evolved-noise", n_estimators=20, verbose=-1).fit(x, y)
        >>> print(model.predict_proba(x[:2]).sum(axis=1).round(4))
        [1. 1.]
    """

    objective: Any

    def __init__(
        self, *, loss: str | nn.Module = "evolved-noise", hessian: Hessian = "abs", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.loss = loss
        self.hessian = hessian

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return sorted({*LGBMClassifier._get_param_names(), *_OWN})

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *args: Any, eval_metric: Any = None, **kwargs: Any
    ) -> Self:
        """Fit trees; arguments are those of ``LGBMClassifier.fit``."""
        self._check_parameters()
        names = names_of_fit(X, y, sample_weight)
        n_classes = len(names)
        eval_set = kwargs.get("eval_set") or []
        for _, labels in [eval_set] if isinstance(eval_set, tuple) else eval_set:
            names.encode(labels, "eval_set")
        self._check_class_weight(names)
        if isinstance(eval_metric, tuple):
            eval_metric = list(eval_metric)
        _check_metrics("eval_metric", eval_metric, n_classes)
        if eval_metric is None:
            eval_metric = metric("cross_entropy", n_classes, tool="lightgbm")
        self._objective = self.objective = BoostingObjective(self.loss, n_classes, hessian=self.hessian)
        try:
            super().fit(X, y, sample_weight, *args, eval_metric=eval_metric, **kwargs)
        finally:
            self.objective = None  # it is no parameter of this classifier
        return self

    def predict_proba(self, X: Any, raw_score: bool = False, **kwargs: Any) -> Any:
        """Probabilities ``(N, C)``, or what is asked for; arguments are those of ``LGBMClassifier``."""
        if raw_score or kwargs.get("pred_leaf") or kwargs.get("pred_contrib"):
            return super().predict_proba(X, raw_score=raw_score, **kwargs)
        scores = np.asarray(super().predict_proba(X, raw_score=True, **kwargs))
        if scores.ndim == 1:
            scores = np.stack([np.zeros_like(scores), scores], axis=1)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def predict(self, X: Any, raw_score: bool = False, **kwargs: Any) -> Any:
        """Classes, or what is asked for; arguments are those of ``LGBMClassifier.predict``."""
        found = self.predict_proba(X, raw_score=raw_score, **kwargs)
        if raw_score or kwargs.get("pred_leaf") or kwargs.get("pred_contrib"):
            return found
        return self.classes_[np.argmax(found, axis=1)]

    @property
    def noise_rate_(self) -> NoiseRate:
        """The share of wrong labels, which a loss cannot tell in trees; its reason says why.

        A :class:`~evoloss.losses.NoiseRate`. The estimate reads how predictions change within an epoch, and
        those of trees change between rounds alone.

        Raises:
            AttributeError: if the loss senses none, as ``"adaptive"`` does, or there was no fit.
        """
        return sensed_in_trees(self._objective, self.loss)

    def _check_parameters(self) -> None:
        given = self.get_params()
        for name in _OBJECTIVES:
            if given.get(name) is not None:
                raise ConfigError(
                    f"{name}={given[name]!r} is set, but the loss is the objective: leave it out"
                )
        for name, default in _BALANCES.items():
            if given.get(name) not in (None, default):
                raise ConfigError(
                    f"{name}={given[name]!r} is for LightGBM's own objectives; use class_weight='balanced'"
                )
        for name in _METRICS:
            _check_metrics(name, given.get(name), "n_classes")

    def _check_class_weight(self, names: ClassNames) -> None:
        given = self.class_weight if isinstance(self.class_weight, dict) else {}
        unknown = [name for name in given if name not in names.values.tolist()]
        if unknown:
            raise ConfigError(f"class_weight has {unknown[0]!r}, none of the {len(names)} classes of y")

    def _process_params(self, stage: str) -> dict[str, Any]:
        """The parameters that LightGBM is given; ``loss`` would be another name of the objective to it."""
        parent = copy.copy(self)
        parent.__class__ = LGBMClassifier
        parent._other_params = {name: value for name, value in self._other_params.items() if name not in _OWN}
        params: dict[str, Any] = parent._process_params(stage)
        if params.get("metric") in _DEFAULT_METRICS:  # of probabilities, which these scores are not
            params["metric"] = None
        return params


def _check_metrics(parameter: str, given: Any, n_classes: int | str) -> None:
    """Raise :class:`ConfigError` if one is of probabilities, or made for another library."""
    asked = given if isinstance(given, (list, tuple, set)) else [given]
    for one in asked:
        if isinstance(one, BoostingMetric):
            one.check_tool("lightgbm")
        for name in one.split(",") if isinstance(one, str) else []:
            if name.strip() not in _OF_SCORES:
                raise ConfigError(
                    f"{parameter} {name.strip()!r} wants probabilities, and LightGBM has scores where the "
                    f"objective is a function; use one of {', '.join(_OF_SCORES)}, or give fit as "
                    "eval_metric the negative log-likelihood, "
                    f'evoloss.integrations.boosting.metric("cross_entropy", {n_classes}, tool="lightgbm")'
                )
