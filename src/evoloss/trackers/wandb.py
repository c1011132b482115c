"""Weights & Biases: files in the directory of the results, unless ``WANDB_MODE`` says otherwise."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from evoloss.trackers.store import Setting


class WandbStore:
    """Runs of a project.

    ``WANDB_MODE``, ``WANDB_PROJECT``, ``WANDB_ENTITY``, ``WANDB_DIR`` and all other variables of wandb hold.
    Without ``WANDB_MODE`` runs are written to ``log/wandb`` in the directory of the results, and nothing is
    sent; ``wandb sync`` does that. The project has the name of that directory. Code, console, the name of the
    machine and its load are not recorded.

    Args:
        out: that directory.
    """

    name = "wandb"

    def __init__(self, out: Path) -> None:
        self._out = out
        self._mode: Any = os.environ.get("WANDB_MODE") or "offline"
        folder = os.environ.get("WANDB_DIR")
        self._folder = out / "log" if folder is None else Path(folder)
        runs = self._folder / "wandb"
        self.place = f"{runs}; to send it: wandb sync {runs / 'offline-run-*'}"
        if self._mode != "offline":
            self.place = f"{runs}, with WANDB_MODE={self._mode}"

    def begin(self, name: str, *, earlier: str | None, goes_on: bool, others: Collection[str]) -> WandbRun:
        """Open a run; see :class:`~evoloss.trackers.store.Store`."""
        import wandb  # an extra

        self._folder.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {}
        if earlier is not None and self._mode == "offline":
            for folder in (self._folder / "wandb").glob(f"offline-run-*-{earlier}"):
                shutil.rmtree(folder, ignore_errors=True)
        elif earlier is not None:
            # Steps that the server has already are not taken twice.
            options = {"id": earlier, "resume": "allow"}
        settings = wandb.Settings(
            console="off",
            disable_code=True,
            disable_git=True,
            save_code=False,
            silent=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            host=os.environ.get("WANDB_HOST", "-"),
        )
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or self._out.absolute().name,
            name=name,
            dir=str(self._folder),
            mode=self._mode,
            reinit="create_new",
            settings=settings,
            **options,
        )
        return WandbRun(run)


class WandbRun:
    """A run of wandb; see :class:`~evoloss.trackers.store.StoredRun`."""

    last_step = 0

    def __init__(self, run: Any) -> None:
        self.id, self._run = str(run.id), run

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log numbers of a step."""
        self._run.log(dict(metrics), step=step)

    def describe(self, settings: Mapping[str, Setting]) -> None:
        """Add settings to the configuration of the run."""
        self._run.config.update(dict(settings), allow_val_change=True)

    def end(self, metrics: Mapping[str, float], *, complete: bool) -> None:
        """Put what came of the run into its summary, and close it."""
        self._run.summary.update(dict(metrics))
        self._run.finish(exit_code=0 if complete else 1)
