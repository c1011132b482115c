"""TOML files with settings, read with a bound on their size."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from evoloss.errors import ConfigError
from evoloss.regular_files import read_regular_text

MAX_TOML_BYTES = 1 << 20


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file, with or without a byte order mark.

    Raises:
        ConfigError: if it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(read_regular_text(Path(path), MAX_TOML_BYTES))
    except OSError as error:
        raise ConfigError(f"the configuration {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # broken TOML, broken UTF-8, brackets without end
        raise ConfigError(f"the configuration {path} is not TOML: {error}") from error
