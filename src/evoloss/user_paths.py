"""Paths as people write them, with ``~`` for a home directory."""

from __future__ import annotations

from pathlib import Path

from evoloss.errors import ConfigError


def expand_user(path: str | Path) -> Path:
    """Return the path with a leading ``~`` or ``~name`` replaced by that home directory.

    Raises:
        ConfigError: if there is no such user, or no home directory is known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # what pathlib raises
        raise ConfigError(
            f"the home directory of {str(path)!r} is not known; write the path out, with ./ in front if the "
            "folder's name does begin with ~"
        ) from error
