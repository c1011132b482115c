"""The losses that are compared on synthetic tasks: known ones by their slopes, and powers of p by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from evoloss import EvolvedLoss
from evoloss.errors import ConfigError
from evoloss.networks import ConcatNetwork, PacedNetwork, TemperedNetwork
from evoloss.networks.tempered import EXPONENTS
from evoloss.students import KNOWN_SLOPES, SlopeTables, tabulate_functions
from evoloss.students.loss_slopes import (
    SlopeFunctions,
    gce_slopes,
    label_smoothing_slopes,
    smoothed_log_slopes,
)
from evoloss.students.slope_tables import join_tables, tabulate_network

LOSSES: dict[str, Callable[[int], SlopeFunctions]] = {
    **KNOWN_SLOPES,
    "label_smoothing 0.3": lambda n_classes: label_smoothing_slopes(n_classes, 0.3),
    "gce 0.3": lambda n_classes: gce_slopes(0.3),
    "mae": lambda n_classes: (torch.zeros_like, lambda log_p: -log_p.exp()),
    "poly1": lambda n_classes: (torch.zeros_like, lambda log_p: -1 - log_p.exp()),
    "brier": lambda n_classes: (
        lambda log_p: 2 * (2 * log_p).exp(),
        lambda log_p: -2 * (1 - log_p.exp()) * log_p.exp(),
    ),
    "log(p + 1/C)": smoothed_log_slopes,
    "log(p + 1/16C)": lambda n_classes: smoothed_log_slopes(n_classes, 16),
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
    known: Sequence[str], evolved: Sequence[str], n_classes: int, *, like: torch.Tensor
) -> SlopeTables:
    """The slopes of losses as students are trained with, known ones first.

    Args:
        known: names of :data:`KNOWN`, in its order.
        evolved: shipped names and directories.
        n_classes: the class count.
        like: a tensor of the dtype to compute in.

    Raises:
        ConfigError: if an evolved loss has no slopes.
    """
    functions = [LOSSES[name](n_classes) for name in known if name in LOSSES]
    tables = [tabulate_functions(functions, n_classes, like=like, canonical=True)]
    for network, numbers in (SINGLE_POWERS[name] for name in known if name in SINGLE_POWERS):
        tables.append(tabulate_network(network, like.new_tensor([numbers]), n_classes))
    for name in evolved:
        loss = EvolvedLoss.from_pretrained(name)
        if isinstance(loss.network, ConcatNetwork):
            raise ConfigError(
                f"{name} has a concat network: students are trained by slopes, which it has none of"
            )
        params = loss.params.detach().reshape(1, -1).to(like.dtype)
        tables.append(tabulate_network(loss.network, params, n_classes))
    return join_tables(tables)
