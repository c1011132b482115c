"""A loss as what XGBoost and LightGBM tell of a data set, round by round."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import nn

from evoloss.errors import ConfigError
from evoloss.integrations.boosting.criterion import checked_class_count, costs_for_trees
from evoloss.integrations.boosting.margins import LabelledData, labels_of, logits_of, read_call, weights_of
from evoloss.integrations.precision import in_one_precision

Tool = Literal["xgboost", "lightgbm"]


def metric(loss: str | nn.Module, n_classes: int, *, tool: Tool, name: str | None = None) -> BoostingMetric:
    """Make the mean of a loss a metric, for early stopping and learning curves; smaller is better.

    Made for scores, which a library hands over where the objective is a function. ``"cross_entropy"`` is the
    negative log-likelihood there.

    - XGBoost: ``custom_metric=`` of ``xgb.train``, ``eval_metric=`` of the classifier.
    - LightGBM: ``feval=`` of ``lgb.train``, ``eval_metric=`` of ``fit``.

    Args:
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss; it is copied. A loss that follows its
            training knows nothing of one here.
        n_classes: how many classes there are, at least 2.
        tool: the library; they expect different results.
        name: of the metric in their records; by default that of the loss.

    Raises:
        ConfigError: if an argument is of no use; when it is called, if scores, labels or weights do not fit.
        UnknownNameError: if there is no such loss.

    Example:
        >>> import numpy as np
        >>> nll = metric("cross_entropy", 2, tool="xgboost")
        >>> round(nll(np.array([0, 1]), np.zeros(2)), 4)  # as its classifier calls it
        0.6931
    """
    return BoostingMetric(loss, n_classes, tool=tool, name=name)


class BoostingMetric:
    """See :func:`metric`."""

    def __init__(self, loss: str | nn.Module, n_classes: int, *, tool: Tool, name: str | None = None) -> None:
        if tool not in ("xgboost", "lightgbm"):
            raise ConfigError(f"tool must be 'xgboost' or 'lightgbm', got {tool!r}")
        self.n_classes = checked_class_count(n_classes)
        self.tool = tool
        self.criterion = costs_for_trees(loss, self.n_classes).eval()
        self.__name__ = name or (loss if isinstance(loss, str) else type(loss).__name__)

    def check_tool(self, caller: str) -> None:
        """Raise :class:`ConfigError` if the library that calls is another one."""
        if caller != self.tool:
            raise ConfigError(
                f"the metric {self.__name__!r} was made for {self.tool}, and {caller} calls it, which "
                f"expects another result: make it with tool={caller!r}"
            )

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> Any:
        """The weighted mean of the loss, in the form that the library wants."""
        caller = type(second).__module__.partition(".")[0]
        if caller in get_args(Tool):
            self.check_tool(caller)
        margins, labels, weight = read_call(first, second, sample_weight)
        logits = logits_of(margins, self.n_classes)
        with torch.no_grad():
            costs = self.criterion(
                in_one_precision(self.criterion, logits), labels_of(labels, self.n_classes, len(logits))
            )
        weights = weights_of(weight, len(logits))
        value = float(costs.mean() if weights is None else (costs * weights).sum() / weights.sum())
        if self.tool == "lightgbm":
            return self.__name__, value, False
        return (self.__name__, value) if isinstance(second, LabelledData) else value
