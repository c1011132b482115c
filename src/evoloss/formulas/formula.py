"""Losses as functions of numbers alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

Argument = Literal["label", "classes", "logits"]
"""Argument of a formula: log-probabilities one by one, all of a row together, or logits."""
ContextKind = Literal["certainty", "agreement", "training"]
"""Context that it follows: the certainty of a prediction, the agreement of a batch, or a training."""


class Formula(NamedTuple):
    r"""A formula of costs, written over :class:`~evoloss.formulas.operations.BatchOperations`.

    Attributes:
        function: of a module, by name. Its arguments are what ``of`` says, the context if there is one, its
            numbers by name, and the operations, ``on``. For ``"label"`` it works element by element; for
            ``"classes"`` and ``"logits"`` it maps ``(N, C)`` to the cost of each class as the label.
        of: what it is a function of.
        context: what else it follows; None for nothing.

    Example:
        >>> import torch
        >>> from evoloss.formulas import TENSORS
        >>> def cubic(log_p, factor, on):
        ...     return -factor * log_p**3
        >>> formula = Formula(cubic)
        >>> formula.function(torch.tensor([-2.0]), factor=0.5, on=TENSORS)
        tensor([4.])
    """

    function: Callable[..., Any]
    of: Argument = "label"
    context: ContextKind | None = None


class NumberedFormula(NamedTuple):
    """A formula with its numbers: numbers, words, and lists of numbers, as JSON has them."""

    formula: Formula
    numbers: Mapping[str, Any]


@runtime_checkable
class HasFormula(Protocol):
    """A network whose loss is a formula with numbers at each class count."""

    def formula(self, params: Any, n_classes: int) -> NumberedFormula:
        """The canonical cost, less the least one, at a class count; ``params`` ``(n_params,)``, float64."""
        ...
