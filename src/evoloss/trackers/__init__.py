"""Experiment trackers: comparisons, ablations and searches logged to TensorBoard, MLflow or Weights & Biases.

Each tracker is a few functions to be called back, so that it sees what any callback sees and changes nothing.
A tool is an extra, imported where a tracker for it is made.
"""

from evoloss.trackers.ablations import AblateTracker
from evoloss.trackers.comparisons import CompareTracker
from evoloss.trackers.searches import SearchTracker
from evoloss.trackers.tools import Tool

__all__ = ["AblateTracker", "CompareTracker", "SearchTracker", "Tool"]
