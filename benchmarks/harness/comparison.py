"""Studies on real data are calls of ``evoloss compare``: the call, and a limit to its time.

``evoloss compare`` leaves a file for every run, so that what was stopped goes on when it is called again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from evoloss.errors import UnknownNameError
from evoloss.losses import LOSSES
from evoloss.zoo import SHIPPED

ROBUST = ("gce", "sce", "nce_rce", "anl_ce", "jal_ce")
"""Known losses that were made for noisy labels."""
GRACE_SECONDS = 30.0
"""Time for a comparison to end its workers after it was interrupted."""


def require_known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Check names that somebody asks for.

    Raises:
        UnknownNameError: if there is no such one.
    """
    choices = tuple(known)
    for name in names:
        if name not in choices:
            raise UnknownNameError.among(kind, name, choices)


def available(losses: Iterable[str], more: Iterable[str] = ()) -> tuple[str, ...]:
    """Leave out losses that this version does not have.

    Args:
        losses: names of known and shipped losses, and directories.
        more: further names that are known to the caller.
    """
    known = {*LOSSES, *SHIPPED, *more}
    return tuple(name for name in losses if name in known or Path(name).is_dir())


def compare_command(
    options: Mapping[str, object],
    *,
    lr_grid: Iterable[float],
    losses: Iterable[str],
    seeds: int,
    first_seed: int = 0,
) -> list[str]:
    """The call of ``evoloss compare`` that compares losses, each tuned over a grid of rates.

    Args:
        options: by name, without the dashes; None leaves an option out.
        lr_grid: learning rates; with none the options say the one for all losses.
        losses: names and directories.
        seeds: reported runs for each loss.
        first_seed: the seed of the first of them.
    """
    rates = [f"{rate:g}" for rate in lr_grid]
    given = ((name, value) for name, value in options.items() if value is not None)
    return [
        *(sys.executable, "-m", "evoloss", "compare", *(["--tune-lr"] if rates else []), "--quiet"),
        # A study commits its results; weights and predictions are made again by a command.
        *("--keep", "none"),
        *(word for name, value in given for word in (f"--{name}", str(value))),
        *(["--lr-grid", *rates] if rates else []),
        *("--losses", *losses),
        *("--seeds", *map(str, range(first_seed, first_seed + seeds))),
    ]


def run_command(
    arguments: list[str],
    *,
    seconds: float | None = None,
    grace: float = GRACE_SECONDS,
    environment: Mapping[str, str] | None = None,
) -> int | None:
    """Run a command; after some seconds interrupt it, as a user would with Ctrl-C.

    Args:
        arguments: of the process.
        seconds: its time; None for as long as it takes.
        grace: seconds between the interrupt and the end by force.
        environment: variables beside those of this process.

    Returns:
        Its status; None if its time was over.
    """
    process = subprocess.Popen(arguments, env={**os.environ, **(environment or {})})
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return None
