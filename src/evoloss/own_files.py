"""Files that evoloss wrote before, told from those of others: only the former are ever replaced."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from evoloss.errors import OutputError
from evoloss.regular_files import read_regular
from evoloss.strict_json import parse_json

Recogniser = Callable[[bytes], bool]
"""A function that tells whether the content of a file is what evoloss writes under its name."""

_MAX_BYTES = 1 << 30


def require_replaceable(
    directory: Path, documents: Mapping[str, Recogniser], pictures: Iterable[str] = ()
) -> None:
    """Make sure, before any work, that what is to be written replaces nothing of somebody else's.

    Args:
        directory: where the files go; it need not exist.
        documents: for each file name, how it is recognised.
        pictures: names of figures, which say nothing of where they come from: they are ours if one of the
            documents beside them is.

    Raises:
        OutputError: if one of the files is there and evoloss did not write it, or that cannot be told.
    """
    recognised = [name for name, is_ours in documents.items() if _is_ours(directory / name, is_ours)]
    for name in pictures:
        path = directory / name
        if path.exists() and (not recognised or not path.is_file()):
            raise _refusal(path, f"none of {', '.join(documents)} by evoloss is beside it")


def holds_json(*keys: str) -> Recogniser:
    """Recognise a JSON object by entries that it must have."""

    def is_ours(content: bytes) -> bool:
        value = parse_json(content)
        return isinstance(value, dict) and value.keys() >= set(keys)

    return is_ours


def holds_line(pattern: str) -> Recogniser:
    """Recognise a text by a line that begins with a regular expression."""
    compiled = re.compile(f"^(?:{pattern})", re.MULTILINE)

    def is_ours(content: bytes) -> bool:
        return compiled.search(content.decode()) is not None

    return is_ours


def _is_ours(path: Path, is_ours: Recogniser) -> bool:
    """Return whether the file is there; raise if it is not ours."""
    try:
        content = read_regular(path, _MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _refusal(path, f"it cannot be read: {error.strerror}") from error
    try:
        recognised = is_ours(content)
    except ValueError:  # no JSON, no TOML, no UTF-8
        recognised = False
    if not recognised:
        raise _refusal(path, "or it was damaged or changed since")
    return True


def _refusal(path: Path, reason: str) -> OutputError:
    return OutputError(
        f"{path} was not written by evoloss, and would be replaced ({reason}); write to another directory, "
        "or move it away"
    )
