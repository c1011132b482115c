"""The tools by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Literal, get_args

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.trackers.mlflow import MlflowStore, silence_reports
from evoloss.trackers.store import Store
from evoloss.trackers.tensorboard import TensorBoardStore
from evoloss.trackers.wandb import WandbStore

Tool = Literal["tensorboard", "mlflow", "wandb"]
_MODULES = {"tensorboard": "torch.utils.tensorboard", "mlflow": "mlflow", "wandb": "wandb"}
FOLDER = "log"
"""Folder of local stores and of the record of what was logged, in the directory of the results."""


def open_store(tool: Tool, out: Path) -> Store:
    """Open the store of a tool for a directory of results; nothing is written there yet.

    Args:
        tool: tensorboard, mlflow or wandb.
        out: the directory.

    Raises:
        ConfigError: for another tool, or a server that is named and does not answer.
        MissingExtraError: if the tool is not installed.
    """
    return find_tool(tool)(out)


def find_tool(tool: Tool) -> Callable[[Path], Store]:
    """Import a tool, and return what opens its store for a directory of results.

    Raises:
        ConfigError: if it is unknown.
        MissingExtraError: if it is not installed.
    """
    if tool not in get_args(Tool):
        raise ConfigError(f"log must be one of {', '.join(get_args(Tool))}; got {tool!r}")
    if tool == "mlflow":
        silence_reports()
    try:
        import_module(_MODULES[tool])
    except ImportError as error:
        raise MissingExtraError.of(error.name or tool, tool, f"logging to {tool}") from error
    if tool == "tensorboard":
        return TensorBoardStore
    return MlflowStore if tool == "mlflow" else WandbStore
