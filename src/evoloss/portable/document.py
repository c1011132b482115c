"""A loss as a document of numbers, for JSON.

``schema.json`` beside this module is its JSON Schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evoloss._version import __version__
from evoloss.portable.files.composer import summary_of
from evoloss.portable.loss import PortableLoss

SCHEMA = 1
"""Version of the format."""


def document(loss: PortableLoss, classes: Sequence[int]) -> dict[str, Any]:
    """The numbers of a loss in JSON values.

    Args:
        loss: with its formula.
        classes: class counts whose numbers it holds, where they differ.

    Raises:
        ConfigError: if the loss is not for one of them.
    """
    criterion, function = loss.criterion, loss.formula.function
    shared = dict(loss.numbers(classes[0])) if loss.any_count else None
    return {
        "schema": SCHEMA,
        "loss": loss.label,
        "evoloss_version": __version__,
        "description": description(loss),
        "formula": {
            "name": function.__name__,
            "summary": summary_of(function),
            "of": loss.formula.of,
            "context": loss.formula.context,
        },
        "numbers": shared,
        "numbers_at": None if loss.any_count else {str(n): dict(loss.numbers(n)) for n in classes},
        "options": {
            "weight": loss.weight,
            "ignore_index": criterion.ignore_index,
            "reduction": criterion.reduction,
            "label_smoothing": criterion.label_smoothing,
        },
        "state": loss.stored_state(),
    }


def description(loss: PortableLoss) -> str:
    """A sentence about the loss."""
    criterion = loss.criterion
    network = getattr(criterion, "network", None)
    if network is not None:
        return f"An evolved loss, a {network.kind} network: {network.summary}."
    first = (type(criterion).__doc__ or "").strip().split(";")[0].split(". ")[0].rstrip(".")
    return f"{first}. {criterion.reference}".rstrip(". ") + "."
