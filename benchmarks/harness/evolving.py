"""The call of ``evoloss evolve``."""

from __future__ import annotations

import sys
from collections.abc import Mapping


def evolve_command(options: Mapping[str, object], *, resume: bool) -> list[str]:
    """The call that evolves a loss, or goes on with it.

    Args:
        options: by name, without the dashes.
        resume: go on with the run in the directory.
    """
    given = (word for name, value in options.items() for word in (f"--{name}", str(value)))
    return [sys.executable, "-m", "evoloss", "evolve", *given, *(["--resume"] if resume else [])]
