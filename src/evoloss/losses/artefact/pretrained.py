"""The loss that a name or a directory stands for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from evoloss.errors import ArtefactError, CanonicalFormError, ConfigError, UnknownNameError
from evoloss.losses.artefact.format import read_artefact
from evoloss.losses.artefact.hub import fetch_loss, hub_hint, is_on_hub
from evoloss.losses.artefact.validation import checked_params
from evoloss.networks import LossNetwork
from evoloss.zoo import NAMES, is_shipped, shipped_path


def read_loss(
    name_or_dir: str | Path, params: Tensor | None = None, record: Mapping[str, Any] | None = None
) -> tuple[LossNetwork, Tensor, Mapping[str, Any]]:
    """Network, checked parameters and record of a saved loss.

    Args:
        name_or_dir: a shipped name, which wins over a directory of that name, a directory, or one on the hub,
            ``hf://user/name``.
        params: None; a saved loss has its own.
        record: None; likewise.

    Raises:
        ConfigError: if parameters or a record are given beside the name.
        UnknownNameError: if it is neither a shipped name nor a directory.
        ArtefactError: if the files are missing, damaged or hold no usable loss.
    """
    if params is not None or record is not None:
        raise ConfigError(f"{name_or_dir} names a saved loss, which has its own parameters and record")
    name = str(name_or_dir)
    if is_shipped(name):
        directory = shipped_path(name)
    else:
        directory = fetch_loss(name) if is_on_hub(name_or_dir) else Path(name_or_dir)
    if not os.path.isdir(directory):  # unlike Path.is_dir, never raises: a name may be no path at all
        hint = hub_hint(name) or " A known loss is made by make_loss."
        raise UnknownNameError.among("shipped loss or directory", name, NAMES, hint)
    artefact = read_artefact(directory)
    try:
        return artefact.network, checked_params(artefact.network, artefact.params), artefact.record
    except (ConfigError, CanonicalFormError) as error:
        raise ArtefactError(f"{name_or_dir} holds no usable loss: {error}") from error
