"""Shipped losses: a folder each, with tensors, config, card and the configuration that made it."""

from __future__ import annotations

from pathlib import Path

from evoloss.errors import UnknownNameError

SHIPPED: dict[str, str] = {
    "adaptive": "labels of which nobody knows how many are wrong; set by hand, and told n_samples",
    "evolved-base": "everyday classification with mostly clean labels, many or few",
    "evolved-noise": "wrong labels of unknown kind and share; no noise rate to set",
    "evolved-noise-strong": "many wrong labels; costs more where labels are right",
    "evolved-noise-long": "wrong labels that a network learns by heart in many epochs",
    "evolved-small": "few samples per class, with clean labels",
}
"""Name and one line about every shipped loss."""
ALIASES = {"evolved": "evolved-base"}
"""Other names, and what they stand for in this version: ``evolved`` is advised where nothing is to be set."""

NAMES = (*SHIPPED, *ALIASES)
"""Every name that a shipped loss can be asked for by."""

__all__ = ["ALIASES", "NAMES", "SHIPPED", "is_shipped", "shipped_path"]


def is_shipped(name: str) -> bool:
    """Test whether a shipped loss has this name, or this other name.

    Example:
        >>> is_shipped("evolved-base"), is_shipped("evolved"), is_shipped("gce")
        (True, True, False)
    """
    return name in NAMES


def shipped_path(name: str) -> Path:
    """The folder of a shipped loss inside the installed package.

    Args:
        name: its name, or another one that stands for it.

    Raises:
        UnknownNameError: if no loss of that name is shipped.

    Example:
        >>> sorted(path.name for path in shipped_path("evolved-base").iterdir() if path.suffix != ".toml")
        ['README.md', 'config.json', 'loss.safetensors']
    """
    name = ALIASES.get(name, name)
    if name not in SHIPPED:
        raise UnknownNameError.among("shipped loss", name, NAMES)
    return Path(__file__).parent / name
