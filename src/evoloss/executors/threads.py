"""The number of processor threads that may be asked for."""

from __future__ import annotations

import os

from evoloss.errors import ConfigError

MOST_THREADS = max(256, 2 * (os.cpu_count() or 1))
"""More than any run gains from; the libraries below PyTorch end the process where threads run out."""


def require_threads(threads: int | None) -> None:
    """Check a number of threads; None stands for a default.

    Raises:
        ConfigError: if it is out of range.

    Example:
        >>> require_threads(2)
    """
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise ConfigError(f"threads must be from 1 to {MOST_THREADS}, got {threads}")
