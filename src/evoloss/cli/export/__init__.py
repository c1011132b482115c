"""``evoloss export``: a loss as a file that needs evoloss no more."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from evoloss.cli.terminal import Terminal
from evoloss.errors import ConfigError
from evoloss.pairs import MAX_CLASSES
from evoloss.portable.files import Format, exported, write_exported

OUT_IS_FILE = True


@dataclass(frozen=True, kw_only=True)
class ExportCommand:
    """Write a loss as a file that needs evoloss no more: code, numbers or a graph."""

    loss: tyro.conf.Positional[str]
    """A known loss (gce, gce:q=0.5), a shipped one (evolved-base), or the directory of a saved one."""
    format: Format = "python"
    """python: a readable file of PyTorch code; jax: the same for JAX; json: the numbers; onnx: a graph, which
    needs the extra onnx. Python, jax and json have the state of a loss that follows its training."""
    out: Path | None = None
    """The file; without it text is printed. A file that is there is left alone."""
    overwrite: bool = False
    """Replace the file if it is there and evoloss exported it."""
    classes: tuple[int, ...] = ()
    """Class counts that the file is for, from 2 to 100,000; of consequence where numbers differ from count to
    count, and one for onnx. By default 2, 10, 100 and 1000."""

    def __post_init__(self) -> None:
        for n_classes in self.classes:
            if not 2 <= n_classes <= MAX_CLASSES:
                raise ConfigError(f"--classes must be from 2 to {MAX_CLASSES:,}, got {n_classes}")
        if self.format == "onnx" and self.out is None:
            raise ConfigError("a graph is no text to print: name a file, as in --out loss.onnx")
        if self.overwrite and self.out is None:
            raise ConfigError("--overwrite is for the file that --out names")


def run(config: ExportCommand) -> int:
    """Export the loss.

    Raises:
        ConfigError: if the loss cannot be exported.
        UnknownNameError: if there is no such loss.
        OutputError: if the file is there.
        MissingExtraError: if the format needs what is not installed.
    """
    content = exported(config.loss, config.format, config.classes or None)
    if config.out is None:
        sys.stdout.write(content.decode())
        return 0
    write_exported(config.out, content, overwrite=config.overwrite)
    Terminal().say(f"wrote {config.out}")
    return 0
