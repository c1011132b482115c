from __future__ import annotations

import socket

import pytest

from evoloss.errors import EvolossError
from evoloss.executors import make_executor
from evoloss.executors.ray import RayExecutor
from tests.executors.calls import square

ray = pytest.importorskip("ray")


@pytest.mark.parametrize("where", ["127.0.0.1", "localhost"])
def test_nobody_at_the_address(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"{where}:{free.getsockname()[1]}"
        with pytest.raises(
            EvolossError, match=rf"cannot be reached at '{address}' .*refused.*ray start --head"
        ):
            make_executor("ray", address=address)


def test_a_running_ray_is_used_and_left_running(local_ray: None) -> None:
    with make_executor("ray") as executor:
        assert executor.workers == 2
        assert executor.submit(square, 3).result(60) == 9
    assert ray.is_initialized()


def test_what_was_asked_for_bounds_a_cluster_that_has_room_for_more(local_ray: None) -> None:
    with RayExecutor(1) as executor:
        futures = [executor.submit(square, number) for number in range(4)]
        assert sum(not future.done() for future in futures) <= 1
    assert [future.result(0) for future in futures] == [0, 1, 4, 9]


def test_workers_follow_the_gpus_that_runs_reserve(local_ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with make_executor("ray", gpus_per_run=0.5) as executor:
        monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0, "GPU": 2.0})
        assert executor.workers == 4
        monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 3.0, "GPU": 2.0})
        assert executor.workers == 3
