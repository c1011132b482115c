"""One name space for all losses: known ones, shipped ones, and directories."""

from __future__ import annotations

import os
from typing import Any

from evoloss.errors import UnknownNameError
from evoloss.losses import LOSSES
from evoloss.losses.base import ClassificationLoss
from evoloss.losses.evolved import EvolvedLoss
from evoloss.zoo import NAMES, is_shipped


def resolve_loss(spec: str, **semantics: Any) -> ClassificationLoss:
    """Make the loss that a user named.

    Args:
        spec: a key of ``LOSSES``, a shipped name or ``evolved``, which stands for the recommended one, or a
            directory with a saved loss, in this order; write ``./name`` for a directory that has the name of
            a loss.
        **semantics: ``weight``, ``ignore_index``, ``reduction``, ``label_smoothing``.

    Raises:
        UnknownNameError: if it is none of them.
        ArtefactError: if it is a directory without a readable loss.
    """
    if spec in LOSSES:
        return LOSSES[spec](**semantics)
    if is_shipped(spec) or os.path.isdir(spec):
        return EvolvedLoss.from_pretrained(spec, **semantics)
    raise UnknownNameError.among("loss or directory", spec, [*LOSSES, *NAMES])
