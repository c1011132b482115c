"""Functions for other processes to run; they have to be importable there."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

from evoloss.errors import ConfigError


def square(number: int) -> int:
    return number * number


def fail(message: str) -> None:
    raise ConfigError(message)


class Stubborn(Exception):
    """Can be packed, but not unpacked."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def fail_stubbornly() -> None:
    raise Stubborn(1, 2)


def die_once(mark: Path) -> str:
    """Take the process down, the first time."""
    if mark.exists():
        return "survived"
    mark.touch()
    os._exit(1)


def die() -> None:
    os._exit(7)


def nap(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def touch_and_nap(mark: Path, seconds: float) -> None:
    mark.touch()
    time.sleep(seconds)


def count_threads() -> int:
    return torch.get_num_threads()
