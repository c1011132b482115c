"""Recognition of the subfolders of a data set that are its splits, by the names that people give them."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from evoloss.errors import DataError
from evoloss.safe_text import one_line

TRAIN = frozenset({"train", "training", "trn"})
VALIDATION = frozenset({"val", "valid", "validation", "validate", "dev", "development"})
TEST = frozenset({"test", "testing", "tst"})
EVALUATION = frozenset({"eval", "evaluation", "evaluate", "holdout", "heldout"})
"""Test where there is no other test folder, else validation."""

_DECORATION = re.compile(r"(?:set|data|dataset|images?|imgs?|split|folder)$")
_LOGGER = logging.getLogger(__name__)


def find_splits(folder: Path) -> dict[str, Path]:
    """Return the folders of ``train`` and, where there are such, of ``validation`` and ``test``.

    A name counts in any capitalisation, with or without digits, dashes and an ending such as ``set`` or
    ``images``: ``Training``, ``TEST``, ``train_images``. Splits hold one folder a class; a folder ``train``
    without subfolders is a class of that name, such as the vehicle. A lone validation folder is the test
    split, as in the common ImageNet layout. Without a training folder the whole is ``train``.

    Raises:
        DataError: if two folders have one role, if there are splits without class folders or without a
            training folder, or if it cannot be told whether ``train`` is a split or a class.
    """
    subfolders = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] != "."]
    roles: dict[str, list[Path]] = {}
    for path in subfolders:
        roles.setdefault(role_of(path.name) or "", []).append(path)
    others = roles.pop("", [])
    _require_classes(folder, roles, others)
    trains = [path for path in roles.get("train", []) if _subfolders(path)]
    if not trains:
        return {"train": folder}
    if roles.keys() == {"train"} and any(_files_within(path) for path in others):
        raise DataError(
            f"{folder} has {trains[0].name}/ with subfolders, no validation or test folder, and "
            f"{one_line(others[0].name)}/: it cannot be told whether these are classes. Name the folder "
            f"{trains[0].name} itself, or give the class another name"
        )
    if others:
        _LOGGER.warning("%s: %s left out, beside the splits", folder, _names(others))
    return _assign(folder, roles)


def role_of(name: str) -> str | None:
    """Return ``train``, ``validation``, ``test``, ``evaluation``, or None for a name that is no split's."""
    normalized = re.sub(r"[^a-z]", "", name.lower())
    for candidate in (normalized, _DECORATION.sub("", normalized)):
        for role, names in (
            ("train", TRAIN),
            ("validation", VALIDATION),
            ("test", TEST),
            ("evaluation", EVALUATION),
        ):
            if candidate in names:
                return role
    return None


def _assign(folder: Path, roles: dict[str, list[Path]]) -> dict[str, Path]:
    for evaluation in roles.pop("evaluation", []):
        roles.setdefault("validation" if "test" in roles else "test", []).append(evaluation)
    for role, paths in roles.items():
        if len(paths) > 1:
            raise DataError(f"{folder} has {_names(paths, ' and ')}; expected one {role} folder")
    splits = {role: paths[0] for role, paths in roles.items()}
    if "test" not in splits and "validation" in splits:
        splits["test"] = splits.pop("validation")
    return splits


def _require_classes(folder: Path, roles: dict[str, list[Path]], others: list[Path]) -> None:
    """Refuse folders that are all named as splits, and would pass for classes."""
    if others or len(roles) < 2:
        return
    named = [path for paths in roles.values() for path in paths]
    names = _names(named)
    if "train" not in roles:
        raise DataError(f"{folder} has the splits {names} and no training folder; expected one, train/")
    if not any(_subfolders(path) for path in roles["train"]):
        raise DataError(
            f"{folder} has the splits {names}, and {roles['train'][0].name} has no class folders; expected "
            "one subfolder with images for each class in each of them"
        )


def _names(paths: list[Path], between: str = ", ") -> str:
    return between.join(one_line(path.name) for path in paths)


def _subfolders(path: Path) -> bool:
    return any(inner.is_dir() and inner.name[0] != "." for inner in path.iterdir())


def _files_within(path: Path) -> bool:
    return any(inner.is_file() for inner in path.rglob("*"))
