"""MLflow: a database in the directory of the results, or the server that MLflow's own variables name."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoloss.errors import ConfigError
from evoloss.safe_text import one_line
from evoloss.trackers.store import Setting

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

_FLUSH_SECONDS, _FLUSH_METRICS = 1.0, 500
_LONGEST = 500  # characters of a value, which every version of MLflow takes
_CLOCK = "elapsed_seconds"
"""A metric of every step, by which the last step is known."""


def silence_reports() -> None:
    """Switch off what MLflow reports to its makers, unless the user has said something; before its import."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


class MlflowStore:
    """Runs of an experiment.

    ``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_ID`` and ``MLFLOW_EXPERIMENT_NAME`` say where, as everywhere
    with MLflow; without them it is ``log/mlflow.db`` in the directory of the results, and an experiment with
    the name of that directory.

    Args:
        out: that directory.

    Raises:
        ConfigError: if a server that is named does not answer.
    """

    def __init__(self, out: Path) -> None:
        self._out, self._experiment = out, ""
        self._uri = os.environ.get("MLFLOW_TRACKING_URI", "")
        self._is_local = not self._uri
        self.name = "mlflow"
        if self._is_local:
            path = out.absolute() / "log" / "mlflow.db"
            self._uri = f"sqlite:///{path}"
            self.place = f"{path}; to look at it: mlflow ui --backend-store-uri {self._uri}"
            # Made with the first run, and then it says so line by line.
            for quiet in ("mlflow.store.db.utils", "alembic"):
                logging.getLogger(quiet).setLevel(logging.WARNING)
            return
        # It may hold a password.
        self.name += f" {hashlib.sha256(self._uri.encode()).hexdigest()[:12]}"
        self.place = "the server of MLFLOW_TRACKING_URI"
        self._client = self._connect()

    def _connect(self) -> MlflowClient:
        try:
            client = self._make_client()
            self._experiment = self._find_experiment(client)
        except Exception as error:  # whatever the store of the user's raises
            raise ConfigError(
                f"MLflow's store at MLFLOW_TRACKING_URI cannot be used ({type(error).__name__}: "
                f"{one_line(error, 300)}); mend the address, or unset it to log to a file beside the results"
            ) from error
        return client

    def _make_client(self) -> MlflowClient:
        from mlflow import MlflowClient  # an extra

        return MlflowClient(tracking_uri=self._uri)

    def _find_experiment(self, client: MlflowClient) -> str:
        if chosen := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return str(client.get_experiment(chosen).experiment_id)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or self._out.absolute().name
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        artefacts = (self._out.absolute() / "log" / "mlflow-artifacts").as_uri() if self._is_local else None
        return str(client.create_experiment(name, artifact_location=artefacts))

    def begin(self, name: str, *, earlier: str | None, goes_on: bool, others: Collection[str]) -> MlflowRun:
        """Open a run; see :class:`~evoloss.trackers.store.Store`."""
        if not self._experiment:
            (self._out / "log").mkdir(parents=True, exist_ok=True)
            self._client = self._make_client()
            self._experiment = self._find_experiment(self._client)
        if earlier is not None:
            from mlflow.exceptions import MlflowException

            with suppress(MlflowException):  # somebody has removed it
                if goes_on:
                    self._client.update_run(earlier, status="RUNNING")
                    return MlflowRun(self._client, earlier)
                self._client.delete_run(earlier)
        made = self._client.create_run(self._experiment, run_name=name)
        return MlflowRun(self._client, str(made.info.run_id))


class MlflowRun:
    """A run of MLflow, written in batches; see :class:`~evoloss.trackers.store.StoredRun`."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self.id, self._client = run_id, client
        self._waiting: list[Metric] = []
        self._flushed = self._began = time.monotonic()
        known: list[Any] = client.get_metric_history(run_id, _CLOCK)
        self.last_step = max((int(metric.step) for metric in known), default=0)
        self._step = self.last_step

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log numbers of a step, about once a second."""
        self._add({**metrics, _CLOCK: time.monotonic() - self._began}, step)
        now = time.monotonic()
        if now - self._flushed > _FLUSH_SECONDS or len(self._waiting) > _FLUSH_METRICS:
            self._flush()

    def _add(self, metrics: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        stamp = int(time.time() * 1000)
        self._waiting += [Metric(name, value, stamp, step) for name, value in metrics.items()]
        self._step = step

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), _FLUSH_METRICS):
            self._client.log_batch(self.id, metrics=waiting[start : start + _FLUSH_METRICS])
        self._flushed = time.monotonic()

    def describe(self, settings: Mapping[str, Setting]) -> None:
        """Log parameters."""
        from mlflow.entities import Param

        there = dict(self._client.get_run(self.id).data.params)
        texts = {name: one_line(value, _LONGEST) for name, value in settings.items()}
        params = [Param(name, text) for name, text in texts.items() if name not in there]
        for start in range(0, len(params), 100):  # the most in a call
            self._client.log_batch(self.id, params=params[start : start + 100])
        for name, text in texts.items():  # a parameter stays; of a run that goes on the tag says what holds
            if there.get(name, text) != text:
                self._client.set_tag(self.id, name, text)

    def end(self, metrics: Mapping[str, float], *, complete: bool) -> None:
        """Log what came of the run, and its status."""
        self._add(metrics, self._step)
        self._flush()
        self._client.set_terminated(self.id, "FINISHED" if complete else "KILLED")
