"""Paths as people write them, with ``~`` for a home directory and links on the way."""

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


def real_path(path: str | Path) -> Path:
    """Return the absolute path with symbolic links followed; it need not exist.

    Raises:
        ConfigError: if a link leads back to itself.
    """
    try:
        return Path(path).resolve()
    except RuntimeError as error:  # what pathlib raises before Python 3.13
        raise ConfigError(f"{str(path)!r} is a symbolic link that leads back to itself") from error
