"""Experiment trackers: comparisons, ablations and searches logged to TensorBoard, MLflow or Weights & Biases.

Each tracker is a few functions to be called back, so that it sees what any callback sees and changes nothing.
A tool is an extra, imported where a tracker for it is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evoloss.trackers.ablations import AblateTracker
    from evoloss.trackers.comparisons import CompareTracker
    from evoloss.trackers.searches import SearchTracker

__all__ = ["AblateTracker", "CompareTracker", "SearchTracker"]

# Imported when they are asked for: a command that logs nothing does not wait for them.
_PLACES = {
    "AblateTracker": "evoloss.trackers.ablations",
    "CompareTracker": "evoloss.trackers.comparisons",
    "SearchTracker": "evoloss.trackers.searches",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'evoloss.trackers' has no attribute {name!r}")
    found = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found
