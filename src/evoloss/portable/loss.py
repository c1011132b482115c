"""A loss as a formula with numbers: what another array library or a file needs of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from evoloss.errors import ConfigError
from evoloss.formulas import Formula, HasFormula
from evoloss.losses import LOSSES, ClassificationLoss, EvolvedLoss
from evoloss.losses.artefact.hub import is_on_hub
from evoloss.losses.functional import classification_loss
from evoloss.losses.parameters import ParametricLoss
from evoloss.losses.spec import LossSpec
from evoloss.losses.state import NAME, LossState
from evoloss.networks import NoiseRate, noise_rate_of
from evoloss.portable import calls
from evoloss.safe_text import quoted

_BY_CONTEXT = {"certainty": calls.costs_by_certainty, "agreement": calls.costs_by_agreement}
_BY_ARGUMENT = {
    "label": calls.costs_of_labels,
    "classes": calls.costs_of_classes,
    "logits": calls.costs_of_logits,
}
_CAN = "losses of networks, and " + ", ".join(
    name for name, loss in LOSSES.items() if vars(loss).get("formula") is not None
)


def portable(loss: str | nn.Module, **parameters: Any) -> PortableLoss:
    """Make a loss a formula with numbers.

    Args:
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss of this package.
        **parameters: of the loss, with a name.

    Raises:
        ConfigError: if the loss is no formula with numbers.
        UnknownNameError: if there is no loss of a name.

    Example:
        >>> from evoloss.portable import portable
        >>> loss = portable("gce", q=0.5)
        >>> loss.formula.function.__name__, dict(loss.numbers(10))
        ('gce', {'q': 0.5})
    """
    criterion = classification_loss(loss, **parameters)
    told = loss if isinstance(loss, str) else getattr(criterion, "told_name", criterion.name)
    if isinstance(criterion, ParametricLoss):
        if not isinstance(criterion.network, HasFormula):
            raise _refusal(told, f"{criterion.network.kind} networks")
        params = criterion.params.detach().cpu().double()
        numbered = partial(criterion.network.formula, params)
        counts = criterion.network.class_counts
        first = numbered((counts or (2,))[0]).formula
        at = lambda n_classes: numbered(n_classes).numbers  # noqa: E731 - of one expression
        return PortableLoss(told, criterion, first, at, any_count=first.context == "training")
    formula = vars(type(criterion)).get("formula")
    if formula is None:
        raise _refusal(told, told)
    hyperparameters = criterion.hyperparameters
    return PortableLoss(told, criterion, formula, lambda n_classes: hyperparameters, any_count=True)


def _refusal(told: str, what: str) -> ConfigError:
    return ConfigError(
        f"loss {quoted(told, 200)} works in PyTorch alone: {quoted(what, 200)} cannot be written as a "
        f"formula with numbers; what can: {_CAN}"
    )


@dataclass(frozen=True)
class PortableLoss:
    """A loss as a formula with numbers; :func:`portable` makes it.

    Attributes:
        name: what it was named by.
        criterion: the loss in PyTorch.
        formula: the formula.
        find: gives its numbers at a class count.
        any_count: whether they are the same at every class count.
    """

    name: str
    criterion: ClassificationLoss
    formula: Formula
    find: Callable[[int], Mapping[str, Any]]
    any_count: bool
    _found: dict[int, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def label(self) -> str:
        """The name without the folders above a saved loss, for files that others read."""
        given = LossSpec.parse(self.name)
        if is_on_hub(given.base) or not ("/" in given.base or os.sep in given.base):
            return self.name
        return given.with_base(os.path.basename(os.path.realpath(given.base)))

    @property
    def keeps_state(self) -> bool:
        """True if costs depend on statistics of the training."""
        return self.formula.context == "training"

    @property
    def costs(self) -> Callable[..., Any]:
        """The way from logits to costs, of a loss without a state."""
        return _BY_CONTEXT.get(self.formula.context or "") or _BY_ARGUMENT[self.formula.of]

    @property
    def weight(self) -> list[float] | None:
        """The factor of each class, or None."""
        weight = self.criterion.weight
        return None if weight is None else weight.detach().cpu().double().tolist()

    def numbers(self, n_classes: int) -> Mapping[str, Any]:
        """The numbers at a class count.

        Raises:
            ConfigError: if the loss is not for that count, or there is one class.
        """
        if n_classes not in self._found:
            if n_classes < 2:
                raise ConfigError(f"a loss is for 2 classes or more here, got a class count of {n_classes}")
            try:
                self._check(n_classes)
            except ValueError as error:
                raise ConfigError(f"loss {quoted(self.name, 200)}, {n_classes} classes: {error}") from error
            self._found[n_classes] = dict(self.find(n_classes))
        return self._found[n_classes]

    def _check(self, n_classes: int) -> None:
        """Raise what the loss raises at a class count that it is not for."""
        logits = torch.zeros(1, n_classes, dtype=torch.float64)
        if isinstance(self.criterion, EvolvedLoss) and self.criterion.network.keeps_state:
            self.criterion.network.check_classes(n_classes)
        else:
            self.criterion.class_costs(logits)

    def stored_state(self) -> dict[str, Any] | None:
        """The statistics of the training in which the loss is, as lists; None for one that is in none."""
        if not self.keeps_state:
            return None
        state = self.criterion.get_submodule(NAME)
        assert isinstance(state, LossState)
        values = state.values()
        if not all(value.numel() for value in values.values()):
            return None
        return {name: value.tolist() for name, value in values.items()}

    def noise_rate(self, state: Mapping[str, Any]) -> NoiseRate:
        """The share of wrong labels that statistics tell of; see ``EvolvedLoss.noise_rate``.

        Args:
            state: what NumPy takes for arrays, by name.
        """
        values = {name: torch.as_tensor(value) for name, value in state.items()}
        return noise_rate_of(getattr(self.criterion, "network", None), values)
