"""Shipped losses: a folder each, with tensors, config, card and the configuration that made it."""

from __future__ import annotations

from pathlib import Path

from evoloss.errors import UnknownNameError

SHIPPED: dict[str, str] = {
    "evolved-base": "everyday classification with mostly clean labels, many or few",
    "evolved-noise": "wrong labels of unknown kind and share; no noise rate to set",
    "evolved-noise-strong": "many wrong labels; costs more where labels are right",
    "evolved-noise-long": "wrong labels that a network learns by heart in many epochs",
    "evolved-small": "few samples per class, with clean labels",
}
"""Name and one line about every shipped loss."""

__all__ = ["SHIPPED", "shipped_path"]


def shipped_path(name: str) -> Path:
    """The folder of a shipped loss inside the installed package.

    Raises:
        UnknownNameError: if no loss of that name is shipped.

    Example:
        >>> sorted(path.name for path in shipped_path("evolved-base").iterdir() if path.suffix != ".toml")
        ['README.md', 'config.json', 'loss.safetensors']
    """
    if name not in SHIPPED:
        raise UnknownNameError.among("shipped loss", name, SHIPPED)
    return Path(__file__).parent / name
