"""A learned loss on disk: ``loss.safetensors``, ``config.json`` and a card; nothing in it is ever executed.

``config.json`` has exactly the keys ``format`` (an integer, :data:`FORMAT`), ``evoloss_version``, ``network``
(kind and fields), ``loss_sha256`` (of ``loss.safetensors``, so that files of two losses are not mixed) and
``record`` (how the loss was made and what was measured).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from evoloss._version import __version__
from evoloss.atomic_files import write_bytes, write_text
from evoloss.errors import ArtefactError, ConfigError, UnknownNameError
from evoloss.losses.artefact.card import CARD_LINE, card_text
from evoloss.networks import LossNetwork, build_network, describe_network
from evoloss.own_files import Recogniser, holds_json, holds_line, require_replaceable
from evoloss.regular_files import read_regular
from evoloss.safe_text import one_line, quoted
from evoloss.strict_json import parse_json
from evoloss.zoo import NAMES

FORMAT = 1
LOSS_FILE, CONFIG_FILE, CARD_FILE = "loss.safetensors", "config.json", "README.md"
MAX_LOSS_BYTES, MAX_CONFIG_BYTES = 4 << 20, 1 << 20

_KEYS = {"format", "evoloss_version", "network", "loss_sha256", "record"}


def _holds_params(content: bytes) -> bool:
    header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return isinstance(header, dict) and header.keys() - {"__metadata__"} == {"params"}


OWN_FILES: dict[str, Recogniser] = {
    LOSS_FILE: _holds_params,
    CARD_FILE: holds_line(CARD_LINE),
    CONFIG_FILE: holds_json("evoloss_version", "network"),
}
"""The files of a saved loss, and how they are recognised; others of these names are not replaced."""


@dataclass(frozen=True)
class Artefact:
    """The contents of an artefact.

    Attributes:
        network: the loss network.
        params: its parameters, shape ``(n_params,)``, float32 or float64.
        record: how the loss was made and what was measured; JSON values.
    """

    network: LossNetwork
    params: Tensor
    record: dict[str, Any]


def write_artefact(
    directory: Path, artefact: Artefact, table_errors: Mapping[int, tuple[float, float]] | None = None
) -> None:
    """Write the three files, the config last: a directory with a config is complete.

    Args:
        directory: where; made if it does not exist.
        artefact: what.
        table_errors: by class count, how far value and slope of the loss in use are from the network; for
            the card.

    Raises:
        ArtefactError: if ``directory`` or a folder above it is a file, or the loss is too large to be read.
        OutputError: if a file of that name is there that evoloss did not write.
        ConfigError: if the record holds what JSON does not.
    """
    for folder in (directory, *directory.parents):
        if os.path.lexists(folder) and not folder.is_dir():
            raise ArtefactError(f"{folder} is not a directory; a loss is saved in a directory, name another")
    require_replaceable(directory, OWN_FILES)
    tensors = {"params": artefact.params.detach().cpu().contiguous()}
    content = safetensors.torch.save(tensors)
    config = {
        "format": FORMAT,
        "evoloss_version": __version__,
        "network": describe_network(artefact.network),
        "loss_sha256": hashlib.sha256(content).hexdigest(),
        "record": artefact.record,
    }
    try:
        text = json.dumps(config, indent=2, allow_nan=False) + "\n"
        parse_json(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"the record of a loss must hold JSON values: {error}") from error
    if len(content) > MAX_LOSS_BYTES or len(text) > MAX_CONFIG_BYTES:
        raise ArtefactError(
            f"a saved loss has at most {MAX_LOSS_BYTES} bytes of parameters and {MAX_CONFIG_BYTES} of "
            f"config, got {len(content)} and {len(text)}"
        )
    write_bytes(directory / LOSS_FILE, content)
    write_text(directory / CARD_FILE, card_text(config, artefact.params.numel(), table_errors))
    write_text(directory / CONFIG_FILE, text)


def read_artefact(directory: Path) -> Artefact:
    """Read and check an artefact.

    Raises:
        UnknownNameError: if ``directory`` is not a directory.
        ArtefactError: if a file is missing, damaged, oversized, mistyped, from a newer version, or does not
            belong to the others.
    """
    if not os.path.isdir(directory):  # unlike Path.is_dir, never raises: a name may be no path at all
        raise UnknownNameError.among("shipped loss or directory", str(directory), NAMES)
    config = _read_config(directory / CONFIG_FILE)
    try:
        network = build_network(config["network"])
    except (ConfigError, UnknownNameError) as error:
        raise ArtefactError(
            f"{directory / CONFIG_FILE} describes no network: {one_line(error, 400)}"
        ) from error
    content = _read_file(directory / LOSS_FILE, MAX_LOSS_BYTES)
    if hashlib.sha256(content).hexdigest() != config["loss_sha256"]:
        raise ArtefactError(
            f"{directory / LOSS_FILE} is damaged or belongs to another config.json: its SHA-256 is not "
            "the one named there; copy the whole directory again from where it was saved"
        )
    return Artefact(network, _read_params(directory / LOSS_FILE, content, network), config["record"])


def _read_file(path: Path, limit: int) -> bytes:
    try:
        return read_regular(path, limit)
    except OSError as error:
        raise ArtefactError(
            f"{path} cannot be read ({error.strerror}); a saved loss has {LOSS_FILE} of at most "
            f"{MAX_LOSS_BYTES} bytes and {CONFIG_FILE} of at most {MAX_CONFIG_BYTES}"
        ) from error


def _read_config(path: Path) -> dict[str, Any]:
    content = _read_file(path, MAX_CONFIG_BYTES)
    try:
        config = parse_json(content)
    except ValueError as error:
        raise ArtefactError(
            f"{path} is not JSON ({one_line(error, 200)}); it is damaged or truncated"
        ) from error
    if not isinstance(config, dict):
        raise ArtefactError(f"{path} must hold a JSON object, got a {type(config).__name__}")
    version = config.get("format")
    if type(version) is not int or version < 1:
        raise ArtefactError(
            f"{path} has no format version: 'format' must be an integer from 1, got {quoted(version)}"
        )
    if version > FORMAT:
        raise ArtefactError(
            f"{path} has format {quoted(version)}, this evoloss {__version__} reads up to {FORMAT}: "
            f"it was written by evoloss {one_line(config.get('evoloss_version', '?'), 40)}; upgrade evoloss"
        )
    if set(config) != _KEYS:
        raise ArtefactError(f"{path} must have the keys {sorted(_KEYS)}, got {quoted(sorted(config), 200)}")
    for key, kind in (("network", dict), ("record", dict), ("loss_sha256", str), ("evoloss_version", str)):
        if not isinstance(config[key], kind):
            raise ArtefactError(f"{path}: {key!r} must be a {kind.__name__}, got {quoted(config[key])}")
    return config


def _read_params(path: Path, content: bytes, network: LossNetwork) -> Tensor:
    try:
        tensors = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise ArtefactError(
            f"{path} is not a safetensors file ({one_line(error, 200)}); it is damaged or truncated"
        ) from error
    if set(tensors) != {"params"}:
        raise ArtefactError(f"{path} must hold one tensor 'params', got {quoted(sorted(tensors), 200)}")
    params = tensors["params"]
    if params.dtype not in (torch.float32, torch.float64):
        raise ArtefactError(f"{path}: 'params' must be float32 or float64, got {params.dtype}")
    if params.shape != (network.n_params,):
        raise ArtefactError(
            f"{path}: 'params' must have shape ({network.n_params},) for the network of config.json, "
            f"got {tuple(params.shape)}"
        )
    if not params.isfinite().all():
        raise ArtefactError(f"{path}: 'params' holds values that are not finite")
    return params
