"""TensorBoard: event files in a folder a run."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from evoloss.compare.keeping.plan import safe_name
from evoloss.trackers.store import Setting

_FLUSH_SECONDS = 1.0


class TensorBoardStore:
    """Event files below ``log/tensorboard`` in the directory of the results.

    Args:
        out: that directory.
    """

    name = "tensorboard"

    def __init__(self, out: Path) -> None:
        self.root = out / "log" / "tensorboard"
        self.place = f"{self.root}; to look at it: tensorboard --logdir {self.root}"

    def begin(
        self, name: str, *, earlier: str | None, goes_on: bool, others: Collection[str]
    ) -> TensorBoardRun:
        """Open a run in a folder of its own; see :class:`~evoloss.trackers.store.Store`."""
        if earlier is not None:
            remove_events(self.root / safe_name(earlier, "run"))
        folder = safe_name(name.replace(" ", "-"), "run")
        number = 1
        while (chosen := folder if number == 1 else f"{folder}-{number}") in others:
            number += 1
        return TensorBoardRun(chosen, self.root / chosen)


def remove_events(folder: Path) -> None:
    """Remove the event files of a run that is logged again."""
    for path in folder.glob("events.out.tfevents.*"):
        with suppress(FileNotFoundError):
            path.unlink()


class TensorBoardRun:
    """Event files of a run; see :class:`~evoloss.trackers.store.StoredRun`."""

    last_step = 0

    def __init__(self, name: str, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter  # an extra

        self.id = name
        self._writer: Any = SummaryWriter(str(folder))
        self._settings: dict[str, Setting] = {}
        self._step, self._flushed = 0, time.monotonic()

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log scalars of a step."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._step = step
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._writer.flush()
            self._flushed = time.monotonic()

    def describe(self, settings: Mapping[str, Setting]) -> None:
        """Keep settings for the table of hyperparameters, and show them as a text."""
        self._settings |= settings
        text = json.dumps(dict(settings), indent=1)
        self._writer.add_text("settings", f"```json\n{text}\n```", self._step)

    def end(self, metrics: Mapping[str, float], *, complete: bool) -> None:
        """Log what came of the run, with a row in the table of hyperparameters if it is complete."""
        if complete:
            from torch.utils.tensorboard import summary

            self.log(metrics, self._step)
            make_row: Any = summary.hparams  # it has no types
            for part in make_row(dict(self._settings), dict(metrics)):
                self._writer.file_writer.add_summary(part)
        self._writer.close()
