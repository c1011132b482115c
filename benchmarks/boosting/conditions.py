"""The conditions of the study of boosting: libraries, tables, shares of wrong labels, losses."""

from __future__ import annotations

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
TOOLS = ("xgboost", "lightgbm")
TABLES = ("breast_cancer", "digit_features", "letter", "diamonds")
NOISE = (0.0, 0.2, 0.4)
OWN = "own"
"""The library's own objective, multi:softprob, binary:logistic, multiclass or binary."""
LOSSES = (
    OWN,
    "adaptive",
    "evolved-noise",
    "evolved-noise-strong",
    "gce",
    "focal",
    "evolved-base",
    "cross_entropy",
)
