"""The runs of a comparison that leave files, and where these go."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

FOLDER = "kept"
"""Folder of these files, beside the results."""

Keep = Literal["all", "first", "none"]
_UNSAFE = re.compile(r"[^a-z0-9._=,+-]")
_LONGEST = 80  # characters of a folder's name
_PLACE = re.compile(rf"{FOLDER}/[a-z0-9_][a-z0-9._=,+-]*/seed-\d{{1,20}}")


@dataclass(frozen=True)
class KeepPlan:
    """The runs that leave files beside their numbers.

    Attributes:
        seeds: of these runs.
        folds: trainings that predict training samples they were not trained on; 0 for none.
    """

    seeds: tuple[int, ...] = ()
    folds: int = 0

    def wants(self, config: Mapping[str, Any]) -> bool:
        """Tell whether a run leaves files, by its configuration as a run of a sweep."""
        return bool(config["read_test"]) and config["train"]["seed"] in self.seeds


NOTHING = KeepPlan()
"""The plan of a comparison that leaves nothing beside its results."""


def folder_of(loss: str, seed: int) -> str:
    """Return the folder of a run, relative to that of the results.

    A name that is no safe file name everywhere is made one, with a hash of it, so that no two losses share.

    Example:
        >>> folder_of("gce", 0)
        'kept/gce/seed-0'
        >>> folder_of("gce:q=0.5", 3)
        'kept/gce_q=0.5-8f6ef1/seed-3'
    """
    return f"{FOLDER}/{safe_name(loss, 'loss')}/seed-{seed}"


def safe_name(name: str, fallback: str) -> str:
    """Return a name as one that every file system takes, with a hash of it where it had to be changed.

    Args:
        name: not empty.
        fallback: what stands before the hash where nothing of the name is left.

    Example:
        >>> safe_name("wine", "data"), safe_name("My wines", "data")
        ('wine', 'my_wines-4388ea')
    """
    safe = _UNSAFE.sub("_", name.lower())[:_LONGEST]
    if safe == name and (safe[0].isalnum() or safe[0] == "_"):
        return safe
    return f"{safe.lstrip('.=,+-') or fallback}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def is_folder(place: str) -> bool:
    """Tell whether a text is what :func:`folder_of` returns: no path that leads elsewhere."""
    return _PLACE.fullmatch(place) is not None
