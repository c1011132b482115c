"""A sweep on a Ray cluster of two nodes, one of which is killed in the middle."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from evoloss.compare import CompareConfig, Results, compare
from evoloss.executors import make_executor
from evoloss.sweeps.run_files import Run
from evoloss.sweeps.sweep import sweep
from tests.sweeps.sweep_runs import lines, make_runs, note, square

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="a node's workers are found in /proc"),
    # Ray ends its servers without waiting for them, and their objects complain when they are collected.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    # Ray reads GPU settings that it is about to change, even where there is no GPU.
    pytest.mark.filterwarnings("ignore:Tip. In future versions of Ray:FutureWarning"),
]

ray = pytest.importorskip("ray")


@pytest.fixture(autouse=True)
def _collect() -> Iterator[None]:
    """Let the complaints come where they are ignored."""
    yield
    gc.collect()


@pytest.fixture
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    ray.shutdown()
    made.shutdown()


def kill_node(cluster: Any, node: Any) -> None:
    """Let a node die as a machine does: with its workers, which Ray's own emulation lets go on."""
    raylets = {process.pid for kind, process in node.live_processes() if kind == "raylet"}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, parent = int(stat.parent.name), int(stat.read_text().rsplit(")", 1)[1].split()[1])
            if parent in raylets:
                os.kill(pid, signal.SIGKILL)
    cluster.remove_node(node, allow_graceful=False)


def placed(log: Path, seconds: float, config: dict[str, Any]) -> dict[str, Any]:
    """Square, and note on which node."""
    node = ray.get_runtime_context().get_node_id()
    note(log, f"begin {config['number']} {node}")
    time.sleep(seconds)
    result = square(config)
    note(log, f"end {config['number']} {node}")
    return result


def test_a_killed_node_costs_only_the_run_it_was_doing(cluster: Any, tmp_path: Path) -> None:
    second, log = cluster.add_node(num_cpus=1), tmp_path / "log"
    killed = []

    def kill(run: Run, result: dict[str, Any]) -> None:
        rows = [line.split() for line in log.read_text().splitlines()]
        begun, ended = (
            [row for row in rows if (row[0], row[2]) == (word, second.node_id)] for word in ("begin", "end")
        )
        if ended and len(begun) > len(ended) and not killed:  # it has done a run, and is doing another
            kill_node(cluster, second)
            killed.append(int(begun[-1][1]))

    with make_executor("ray", address=cluster.address) as executor:
        assert executor.workers == 2
        function = partial(placed, log, 1.0)
        results = sweep(make_runs(8), function, folder=tmp_path, executor=executor, on_done=kill)
    assert results == sweep(make_runs(8), square)
    (lost,) = killed
    begun = lines(log, "begin")
    assert begun.count(lost) >= 2, "the run that was cut off was started again"
    assert sorted(lines(log, "end")) == list(range(8)), "and each run was finished once"


def test_a_comparison_survives_the_loss_of_a_node(cluster: Any, tmp_path: Path) -> None:
    second = cluster.add_node(num_cpus=1)
    config = CompareConfig(
        dataset="digits",
        model="cnn",
        losses=("cross_entropy", "gce", "evolved-base"),
        seeds=(0, 1, 2, 3),
        epochs=1,
        train_samples=400,
        accelerator="cpu",
    )
    nodes = []

    def results_of(folder: Path) -> Results:
        with make_executor("ray", address=cluster.address) as executor:
            submit = executor.submit

            def killing(function: Any, /, *args: Any) -> Any:
                if len(list((folder / "runs").glob("*.json"))) >= 4 and not nodes:
                    kill_node(cluster, second)
                    nodes.append(second)
                return submit(function, *args)

            executor.submit = killing  # type: ignore[method-assign]
            return compare(config, out=folder, executor=executor)

    elsewhere = results_of(tmp_path)
    assert nodes, "the node was killed in the middle"
    here = compare(config)
    assert elsewhere.complete
    assert timeless(elsewhere) == timeless(here)
    assert timeless(Results.read(tmp_path)) == timeless(here)


def timeless(results: Results) -> list[Any]:
    return [dataclasses.replace(run, train_seconds=0.0) for run in results.runs]


def test_ray_is_started_where_none_runs_and_stopped_again() -> None:
    with make_executor("ray", workers=2) as executor:
        assert executor.workers == 2
        assert sweep(make_runs(6), square, executor=executor) == sweep(make_runs(6), square)
    assert not ray.is_initialized()
