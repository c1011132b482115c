"""Losses as objectives of XGBoost and LightGBM.

``objective`` and ``metric`` serve both libraries and import neither; the classifiers import theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evoloss.integrations.boosting.metric import BoostingMetric, metric
from evoloss.integrations.boosting.objective import BoostingObjective, Hessian, objective

if TYPE_CHECKING:
    from evoloss.integrations.boosting.lightgbm_classifier import EvolvedLGBMClassifier
    from evoloss.integrations.boosting.xgboost_classifier import EvolvedXGBClassifier

__all__ = [
    "BoostingMetric",
    "BoostingObjective",
    "EvolvedLGBMClassifier",
    "EvolvedXGBClassifier",
    "Hessian",
    "metric",
    "objective",
]


def __getattr__(name: str) -> Any:
    if name == "EvolvedXGBClassifier":
        from evoloss.integrations.boosting.xgboost_classifier import EvolvedXGBClassifier

        return EvolvedXGBClassifier
    if name == "EvolvedLGBMClassifier":
        from evoloss.integrations.boosting.lightgbm_classifier import EvolvedLGBMClassifier

        return EvolvedLGBMClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
