"""Memory limits: work that would take more than there is is refused before it begins, with the reason."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

from evoloss.errors import ConfigError

VARIABLE = "EVOLOSS_MAX_MEMORY_GB"
"""Environment variable that replaces what the machine says."""
_CGROUP_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_limit() -> float:
    """Bytes that this process may use: the least of the machine's, its container's and its own limit.

    ``EVOLOSS_MAX_MEMORY_GB`` (in units of 1e9 bytes) replaces it. Infinite where nothing is known.

    Raises:
        ConfigError: if the variable is not a number above 0.
    """
    text = os.environ.get(VARIABLE, "")
    if text:
        try:
            gigabytes = float(text)
        except ValueError:
            gigabytes = math.nan
        if not gigabytes > 0:
            raise ConfigError(f"{VARIABLE} must be a number above 0, got {text!r}")
        return gigabytes * 1e9
    return min(_physical(), _container(), _own())


def require_memory(what: str, components: Mapping[str, float], advice: Mapping[str, str]) -> None:
    """Check that work fits into memory.

    Args:
        what: opens the message, such as ``"this search"``.
        components: bytes of each component of the work, about; a lower bound rather than an upper one.
        advice: for each component, which settings make it smaller.

    Raises:
        ConfigError: naming the largest component, if their sum is above :func:`memory_limit`.
    """
    needed, limit = sum(components.values()), memory_limit()
    if needed <= limit:
        return
    largest = max(components, key=lambda name: components[name])
    raise ConfigError(
        f"{what} would take about {_gigabytes(needed)} of memory, {_gigabytes(components[largest])} of it "
        f"for {largest}, and there are {_gigabytes(limit)}; lower {advice[largest]} (if it is wrong "
        f"about the memory, set {VARIABLE})"
    )


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.3g} GB"


def _physical() -> float:
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # not on every system
        return math.inf


def _container() -> float:
    for name in _CGROUP_FILES:
        try:
            return float(Path(name).read_text())
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return math.inf


def _own() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return math.inf
    limits = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    return min(math.inf if limit == resource.RLIM_INFINITY else float(limit) for limit in limits)
