"""Exported losses: in which formats, and how they come to a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from torch import nn

from evoloss.atomic_files import write_bytes
from evoloss.errors import ConfigError, OutputError
from evoloss.own_files import holds_json, holds_line, require_replaceable
from evoloss.portable.document import document
from evoloss.portable.files.code import JAX, MARK, TORCH, code
from evoloss.portable.files.onnx_graph import PRODUCER, graph
from evoloss.portable.loss import PortableLoss, portable

Format = Literal["python", "jax", "json", "onnx"]
FORMATS: tuple[str, ...] = get_args(Format)
"""Code for PyTorch, code for JAX, numbers, and a graph."""

DEFAULT_CLASSES = (2, 10, 100, 1000)
"""Class counts whose numbers a file has if nobody says which."""


def exported(loss: str | nn.Module, format: Format, classes: Sequence[int] | None = None) -> bytes:
    """The content of a file that holds a loss.

    Args:
        loss: a name that :func:`~evoloss.make_loss` takes, or a loss of this package. The statistics of the
            training in which it is go along.
        format: ``"python"``, ``"jax"``, ``"json"`` or ``"onnx"``.
        classes: class counts that it is for, where its numbers differ from count to count; one for
            ``"onnx"``. By default 2, 10, 100 and 1,000, or the ones of a loss that is for some alone.

    Raises:
        ConfigError: if the loss cannot be exported, or is not for a class count.
        UnknownNameError: if there is no loss of a name.
        MissingExtraError: if the format needs what is not installed.

    Example:
        >>> from evoloss.portable.files import exported
        >>> b"def gce(log_p, q, on):" in exported("gce", "python")
        True
    """
    if format not in FORMATS:
        raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    made = portable(loss)
    counts = _counts(made, classes)
    if format == "onnx":
        if len(counts) != 1:
            raise ConfigError("a graph is for one class count: name it, as in --classes 10")
        return graph(made, counts[0])
    if format == "json":
        content = json.dumps(document(made, counts), indent=1, allow_nan=False) + "\n"
        return content.encode()
    library = TORCH if format == "python" else JAX
    return code(made, counts, library).encode()


def _counts(loss: PortableLoss, classes: Sequence[int] | None) -> tuple[int, ...]:
    """The class counts, each once and rising."""
    network = getattr(loss.criterion, "network", None)
    own = None if network is None else network.class_counts
    counts = tuple(sorted(set(classes or own or DEFAULT_CLASSES)))
    for n_classes in counts:
        loss.numbers(n_classes)
    return counts


def write_exported(path: Path, content: bytes, *, overwrite: bool = False) -> None:
    """Write a file in full or not at all.

    Args:
        path: of the file.
        content: by :func:`exported`.
        overwrite: replace a file that is there, if evoloss wrote it.

    Raises:
        OutputError: if it is there and is not to be replaced, or evoloss did not write it.
    """
    if path.exists() or path.is_symlink():
        if not overwrite:
            raise OutputError(f"{path} is there already; --overwrite replaces it, if evoloss wrote it")
        require_replaceable(path.parent, {path.name: _is_ours})
    write_bytes(path, content)


def _is_ours(content: bytes) -> bool:
    """Return whether evoloss exported a file."""
    if PRODUCER.encode() in content[:200]:
        return True
    text = holds_line(MARK)(content)
    return text or holds_json("schema", "loss", "formula", "numbers_at")(content)
