"""The losses that are compared on synthetic tasks: known ones by their slopes, and powers of p by hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from evoloss import EvolvedLoss
from evoloss.errors import ConfigError
from evoloss.losses.known.brier import BrierLoss
from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.losses.known.gce import GceLoss
from evoloss.losses.known.label_smoothing import LabelSmoothingLoss
from evoloss.losses.known.mae import MaeLoss
from evoloss.losses.known.poly1 import Poly1Loss
from evoloss.losses.known.sce import SceLoss
from evoloss.losses.known.smoothed_log import SmoothedLogLoss
from evoloss.networks import PacedNetwork, SlopesByCount, TemperedNetwork
from evoloss.networks.tempered_terms import EXPONENTS
from evoloss.students import SlopeTables, tabulate_functions
from evoloss.students.joined_tables import join_tables
from evoloss.students.slope_tables import tabulate_network

LOSSES: dict[str, SlopesByCount] = {
    "cross_entropy": CrossEntropyLoss().slopes,
    "label_smoothing": LabelSmoothingLoss().slopes,
    "gce": GceLoss().slopes,
    "sce": SceLoss().slopes,
    "label_smoothing 0.3": LabelSmoothingLoss(smoothing=0.3).slopes,
    "gce 0.3": GceLoss(q=0.3).slopes,
    "mae": MaeLoss().slopes,
    "poly1": Poly1Loss(epsilon=1.0).slopes,
    "brier": BrierLoss().slopes,
    "log(p + 1/C)": SmoothedLogLoss().slopes,
    "log(p + 1/16C)": SmoothedLogLoss(share=16.0).slopes,
}
"""Slopes of classwise losses by name, cross-entropy first."""
_OFF = -12.0  # a logarithm or logit that is next to nothing
SINGLE_POWERS: dict[str, tuple[TemperedNetwork, tuple[float, ...]]] = {
    f"p^{power}{letter}": (
        network,
        (*(0.0 if exponent == power else _OFF for exponent in EXPONENTS), _OFF, 0.0),
    )
    for network, letter in ((TemperedNetwork(), "c"), (PacedNetwork(), "A"))
    for power in (1, 2)
}
"""Parameters of losses whose pull is one power of p: p^c with its certainty, or p^A with its agreement."""
KNOWN = ("cross_entropy", *(name for name in (*LOSSES, *SINGLE_POWERS) if name != "cross_entropy"))
"""All of their names, cross-entropy first."""


def tabulate_losses(
    known: Sequence[str],
    evolved: Sequence[str],
    n_classes: int,
    *,
    like: torch.Tensor,
    canonical: bool = True,
) -> SlopeTables:
    """The slopes of losses as students are trained with, known ones first.

    Args:
        known: names of :data:`KNOWN`, in its order.
        evolved: shipped names and directories.
        n_classes: the class count.
        like: a tensor of the dtype to compute in.
        canonical: known losses in canonical scale, as evolved ones are; else as they are used.

    Raises:
        ConfigError: if an evolved loss has no slopes.
    """
    functions = [LOSSES[name](n_classes) for name in known if name in LOSSES]
    tables = [tabulate_functions(functions, n_classes, like=like, canonical=canonical)]
    for network, numbers in (SINGLE_POWERS[name] for name in known if name in SINGLE_POWERS):
        tables.append(tabulate_network(network, like.new_tensor([numbers]), n_classes))
    losses = [EvolvedLoss.from_pretrained(name) for name in evolved]
    for name, loss in zip(evolved, losses, strict=True):
        if not loss.network.has_slopes:
            raise ConfigError(
                f"students are trained by the slopes of a loss, and the network of {name} has none"
            )
    # Those of one network are one population: of losses with a state there can be only one.
    for network, same in itertools.groupby(losses, key=lambda loss: loss.network):
        params = torch.stack([loss.params.detach().flatten() for loss in same]).to(like.dtype)
        tables.append(tabulate_network(network, params, n_classes))
    return join_tables(tables)
