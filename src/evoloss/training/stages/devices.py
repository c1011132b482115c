"""The device of a training, and the random state that it borrows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.training.config import TrainConfig

if TYPE_CHECKING:
    from lightning_fabric import Fabric


_TOOLS = {"lightning_fabric": "lightning-fabric", "torchmetrics": "torchmetrics", "scipy": "scipy"}


def require_tools(trees: bool = False) -> None:
    """Check that what trainings and their comparison import on the way is installed, before the first one.

    Args:
        trees: whether they are trees, which need no devices.

    Raises:
        MissingExtraError: if something is missing.
    """
    for module, package in _TOOLS.items():
        if find_spec(module) is None and not (trees and module == "lightning_fabric"):
            raise MissingExtraError.of(package, "experiments", "training a classifier")


def make_fabric(config: TrainConfig) -> Fabric:
    """Return what places a training on its devices.

    Raises:
        MissingExtraError: if lightning-fabric is not installed.
        ConfigError: if there is no such accelerator here.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise MissingExtraError.of("lightning-fabric", "experiments", "training a classifier") from error
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(config.accelerator, True):
        raise ConfigError(f"accelerator {config.accelerator!r} is not available here; use 'auto' or 'cpu'")
    strategy = "auto" if config.devices == 1 else "ddp_spawn"
    accelerator = find_accelerator() if config.accelerator == "auto" else config.accelerator
    return Fabric(
        accelerator=accelerator, devices=config.devices, precision=config.precision, strategy=strategy
    )


def find_accelerator() -> str:
    """Return the kind of device that ``auto`` stands for here."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@contextmanager
def private_rng(device: torch.device) -> Iterator[None]:
    """Leave the global random state as it was.

    Weights and dropout draw from torch's global generators, which belong to the caller.
    """
    indices: list[Any] = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=indices):
        yield
