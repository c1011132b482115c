r"""Shape of losses: the pull on the label's logit against p, on a grid of what it depends on.

The pull is :math:`-\partial L / \partial z_y`, cross-entropy's is 1 - p. It may depend on the class count, on
how the rest 1 - p is spread, on the agreement of the batch (paced losses), and on what a loss has sensed of
its training. All combinations are computed here, so that the sliders of a page only choose among them.

What results name is resolved among known and shipped losses alone: the name in a file may be anybody's, and
neither imports code nor opens a folder.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import TypedDict

import torch
from torch import nn

from evoloss.compare.config import OWN_OBJECTIVES
from evoloss.diagnostics import LossFunction, NotApplicableError
from evoloss.diagnostics.criterion import label_gradients
from evoloss.diagnostics.curves import Rest, predictions_on_curve
from evoloss.errors import ConfigError, EvolossError
from evoloss.losses import LOSSES, EvolvedLoss
from evoloss.losses.resolve import make_loss
from evoloss.losses.spec import LossSpec
from evoloss.report.html.columns import Cell, Numbers, numbers
from evoloss.safe_text import one_line
from evoloss.training.fingerprints import fingerprint_loss
from evoloss.zoo import is_shipped

CLASS_COUNTS = (2, 3, 10, 30, 100)
AGREEMENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
SENSED = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Signs that wrong labels are being memorised, from 0, nothing is memorised, to 1, it is certain."""
RESTS: tuple[Rest, ...] = ("uniform", "rival")
COLUMNS = ("loss", "classes", "rest", "agreement", "sensed", "pull")
_P = tuple(round(0.02 * step, 2) for step in range(1, 50))
P_GRID = (0.0001, 0.001, 0.005, 0.01, *_P, 0.99, 0.995, 0.999, 0.9999)
_DIGITS = 4
_ANY_SIZE = 1000.0  # samples of a training set, for a loss that has to know some number


class Shapes(TypedDict):
    """Curves of losses on the grid.

    Attributes:
        p: probabilities of the label.
        curves: rows of :data:`COLUMNS`, with a list of pulls, one for each p; agreement and sensed are None
            where a loss does not depend on them, and the rest where there is one rival.
        notes: a sentence on each loss that is not drawn, or not as it was run.
    """

    p: list[float]
    curves: Numbers
    notes: list[str]


def shapes_of(
    losses: Mapping[str, str | None], n_classes: int | None, given: Mapping[str, str] | None = None
) -> Shapes:
    """Compute the curves of losses.

    Args:
        losses: names, as results have them, each with the fingerprint of the loss that was run, or None.
        n_classes: class count of the data, which is on the grid too.
        given: what the reader named and trusts, by the name that results have, as
            :func:`~evoloss.make_loss` takes it: a directory, or ``package.module:callable``.

    Raises:
        EvolossError: if a loss that is given cannot be made.
    """
    rows: list[list[Cell]] = []
    notes: list[str] = []
    for name, fingerprint in losses.items():
        named = (given or {}).get(name)
        spec = named or known_name(name)
        if name in OWN_OBJECTIVES and named is None:
            notes.append(f"{name} is not drawn: the library's own objective is cross-entropy.")
            continue
        if spec is None:
            notes.append(
                f"{one_line(name)} is not drawn: results hold its name alone. Give the loss with --shapes."
            )
            continue
        try:
            loss = make_loss(spec, reduction="none")
        except EvolossError as error:
            if named is not None:
                raise
            notes.append(f"{one_line(name)} is not drawn: {one_line(error, 300)}")
            continue
        curves = list(_curves(name, loss, class_counts(n_classes)))
        rows += curves
        if not curves:
            notes.append(f"{one_line(name)} is not drawn: it has no gradient for a single prediction.")
        elif fingerprint is not None and fingerprint_loss(make_loss(spec)) != fingerprint:
            notes.append(
                f"{one_line(name)} is drawn as this version of evoloss has it; the one that was run differs."
            )
    return {"p": list(P_GRID), "curves": numbers(COLUMNS, rows, _DIGITS), "notes": notes}


def class_counts(n_classes: int | None) -> list[int]:
    """The class counts of the grid, ascending."""
    extra = [n_classes] if n_classes is not None and 2 <= n_classes <= 1000 else []
    return sorted({*CLASS_COUNTS, *extra})


def known_name(name: str) -> str | None:
    """The name if it is that of a known or of a shipped loss; None for anything else, whatever it may be."""
    try:
        base = LossSpec.parse(name).base
    except ConfigError:
        return None
    return name if base in LOSSES or is_shipped(base) else None


def _curves(name: str, loss: nn.Module, counts: Iterable[int]) -> Iterator[list[Cell]]:
    for count in counts:
        for rest in RESTS if count > 2 else RESTS[:1]:
            for agreement, sensed, held in _conditions(loss, count):
                pulls = _pulls(held, count, rest)
                if pulls:
                    # Two classes have one rival, so both ways to spread the rest are one.
                    yield [name, count, rest if count > 2 else None, agreement, sensed, pulls]


def _pulls(criterion: LossFunction, n_classes: int, rest: Rest) -> list[float | None]:
    p = torch.tensor(P_GRID, dtype=torch.float64)
    logits = predictions_on_curve(torch.logit(p), n_classes, rest)
    try:
        _, gradients = label_gradients(criterion, logits, torch.zeros(len(p), dtype=torch.int64))
    except NotApplicableError:
        return []  # a loss of fixed class count
    pulls: list[float | None] = (-gradients[:, 0]).tolist()
    return pulls


def _conditions(loss: nn.Module, n_classes: int) -> Iterator[tuple[float | None, float | None, LossFunction]]:
    """The loss at each agreement and sign that it depends on."""
    if isinstance(loss, EvolvedLoss) and loss.is_paced:
        for agreement in AGREEMENTS:
            yield agreement, None, loss.at_agreement(agreement)
    elif isinstance(loss, EvolvedLoss) and loss.senses_noise:
        for agreement in AGREEMENTS:
            for sensed in SENSED:
                yield agreement, sensed, _sensing(loss, n_classes, agreement, sensed)
    else:
        yield None, None, loss  # one with a state as it is before its first batch


def _sensing(loss: EvolvedLoss, n_classes: int, agreement: float, sensed: float) -> EvolvedLoss:
    """A copy of a sensing loss that has sensed an agreement, and how far wrong labels are memorised."""
    held = copy.deepcopy(loss)
    found = {
        "n_samples": _ANY_SIZE,
        "agreement": (agreement * (n_classes - 1) + 1) / n_classes,
        "by_heart": sensed,
        "memorised": sensed,
        "plateau": 1.0,  # of contradictions, which doubt makes no more
        # Every class is contradicted as often as the others, as with symmetric noise.
        "shares": 0.5,
    }
    state = held.network.initial_state(n_classes)
    held.loss_state.update(
        {name: torch.full_like(old, found[name]) if name in found else old for name, old in state.items()}
    )
    return held
