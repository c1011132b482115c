"""Classification losses, each called exactly like ``nn.CrossEntropyLoss``.

``LOSSES["gce"](q=0.7, reduction="none")`` builds one by name; formulas and sources stand at the classes.
"""

from __future__ import annotations

from evoloss.losses.cross_entropy import CrossEntropyLoss
from evoloss.losses.semantics import ClassificationLoss, LabelProbabilityLoss

__all__ = [
    "LOSSES",
    "ClassificationLoss",
    "CrossEntropyLoss",
    "LabelProbabilityLoss",
]

LOSSES: dict[str, type[ClassificationLoss]] = {
    "cross_entropy": CrossEntropyLoss,
}
