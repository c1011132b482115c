"""A list of all losses that can be made by name, with their parameters and the ranges of these."""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import dataclass
from typing import Literal

from evoloss.errors import UnknownNameError
from evoloss.losses import LOSSES
from evoloss.losses.base import ClassificationLoss
from evoloss.losses.evolved import EvolvedLoss
from evoloss.losses.known.ranges import Range, Scale
from evoloss.losses.state import states_of
from evoloss.zoo import ALIASES, SHIPPED

__all__ = ["LossInfo", "LossList", "Parameter", "list_losses"]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a loss, and what it may be.

    Attributes:
        name: as :func:`make_loss` takes it.
        default: its value if nothing is said, that of the loss's authors.
        low: smallest value; see ``low_included``.
        high: largest value; infinity where there is no largest one.
        low_included: whether ``low`` itself is allowed.
        high_included: whether ``high`` itself is allowed; infinity never is.
        scale: ``"log"`` where a search should go by the logarithm, else ``"linear"``.
        search: smallest and largest value that a search is advised to try; finite, both allowed.
        type: of the values; integers are taken too.
    """

    name: str
    default: float
    low: float
    high: float
    low_included: bool
    high_included: bool
    scale: Scale
    search: tuple[float, float]
    type: type[float] = float

    @classmethod
    def of(cls, name: str, default: float, allowed: Range) -> Parameter:
        """Describe a parameter by the range that its loss checks it with."""
        return cls(
            name=name,
            default=default,
            low=allowed.low,
            high=allowed.high,
            low_included=not allowed.above,
            high_included=allowed.high < math.inf,
            scale=allowed.scale,
            search=allowed.search or (allowed.low, allowed.high),
        )

    def __str__(self) -> str:
        opening, closing = "[" if self.low_included else "(", "]" if self.high_included else ")"
        return f"{self.name}={self.default:g} in {opening}{self.low:g}, {self.high:g}{closing}"


@dataclass(frozen=True, kw_only=True)
class LossInfo:
    """One loss that :func:`make_loss` makes.

    Attributes:
        name: as :func:`make_loss` takes it.
        kind: ``"known"`` for a published formula, ``"shipped"`` for a loss that comes with the package,
            ``"alias"`` for another name of one.
        summary: one line about it.
        parameters: its own, beside those that all losses share.
        keeps_state: whether it keeps running statistics of its training.
        needs: what it has to be told beside logits and target: ``"n_samples"`` and ``"epochs"`` by
            ``criterion.plan_training``, ``"index"`` and ``"lr"`` in each training call.
        reference: its publication, or the recipe that it was made by; may be empty.
    """

    name: str
    kind: Literal["known", "shipped", "alias"]
    summary: str
    parameters: tuple[Parameter, ...] = ()
    keeps_state: bool = False
    needs: tuple[str, ...] = ()
    reference: str = ""

    def __str__(self) -> str:
        parts = [f"{self.name}: {self.summary}", *map(str, self.parameters)]
        if self.needs:
            parts.append(f"needs {', '.join(self.needs)}")
        return "; ".join(parts)


class LossList(tuple[LossInfo, ...]):
    """A sequence of losses; ``print`` writes a line for each.

    Example:
        >>> print(list_losses().named("gce"))
        gce: Generalised cross-entropy; q=0.7 in (0, 1]
    """

    __slots__ = ()

    def named(self, name: str) -> LossInfo:
        """Return the loss of a name.

        Raises:
            UnknownNameError: if there is none.
        """
        for loss in self:
            if loss.name == name:
                return loss
        raise UnknownNameError.among("loss", name, [loss.name for loss in self])

    def __str__(self) -> str:
        return "\n".join(map(str, self))


def list_losses() -> LossList:
    """List the losses that :func:`make_loss` makes by name, with their parameters and ranges.

    Directories and callables of the user's can be named too; they are not listed.

    Example:
        >>> losses = list_losses()
        >>> [loss.name for loss in losses if "index" in loss.needs]
        ['elr']
        >>> (q,) = losses.named("gce").parameters
        >>> q.default, q.low, q.high, q.low_included, q.high_included, q.scale, q.search
        (0.7, 0.0, 1.0, False, True, 'linear', (0.05, 1.0))
    """
    shipped = {name: _shipped(name, line) for name, line in SHIPPED.items()}
    return LossList(
        [
            *(_alias(name, shipped[other]) for name, other in ALIASES.items()),
            *shipped.values(),
            *(_known(name, loss) for name, loss in LOSSES.items()),
        ]
    )


def _known(name: str, loss: type[ClassificationLoss]) -> LossInfo:
    signature = inspect.signature(loss).parameters
    return LossInfo(
        name=name,
        kind="known",
        summary=_first_clause(loss.__doc__ or ""),
        parameters=tuple(
            Parameter.of(parameter, signature[parameter].default, allowed)
            for parameter, allowed in loss.ranges.items()
        ),
        keeps_state=bool(states_of(loss())),
        needs=(*loss.plan_arguments, *loss.training_arguments),
        reference=loss.reference,
    )


def _shipped(name: str, line: str) -> LossInfo:
    keeps_state = EvolvedLoss.from_pretrained(name).network.keeps_state
    return LossInfo(
        name=name,
        kind="shipped",
        summary=line,
        keeps_state=keeps_state,
        needs=("n_samples",) if keeps_state else (),
        reference=f"recipes/{name} of evoloss",
    )


def _alias(name: str, other: LossInfo) -> LossInfo:
    return LossInfo(
        name=name,
        kind="alias",
        summary=f"recommended where nothing is to be set: {other.name} in this version",
        keeps_state=other.keeps_state,
        needs=other.needs,
        reference=other.reference,
    )


def _first_clause(docstring: str) -> str:
    return re.split(r"[;.](?:\s|$)", " ".join(docstring.split()), maxsplit=1)[0]
