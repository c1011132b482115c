from __future__ import annotations

import os
import signal
import socket
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from evoloss.errors import EvolossError
from evoloss.executors import make_executor
from evoloss.executors.ray import RayExecutor
from tests.executors.calls import square
from tests.executors.conftest import own_handler
from tests.processes import children

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


def test_the_first_version_that_asks_for_a_token_is_required() -> None:
    """Below it anybody who reached a port could run code, and we start Rays."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    (requirement,) = tomllib.loads(text)["project"]["optional-dependencies"]["ray"]
    assert "2.58.9" not in Requirement(requirement).specifier
    assert "2.59.0" in Requirement(requirement).specifier


def listening() -> Iterator[str]:
    """The addresses on which this process and its descendants wait for connections, as hexadecimal digits."""
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/self/net/{name}").read_text().splitlines()[1:]
    ]
    hosts = {f"socket:[{row[9]}]": row[1].split(":")[0] for row in rows if row[3] == "0A"}
    waiting = [os.getpid()]
    while waiting:
        pid = waiting.pop()
        waiting += children(pid)
        for handle in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(OSError):
                if (name := os.readlink(handle)) in hosts:
                    yield hosts[name]


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="sockets are looked up in /proc")
def test_a_ray_that_we_start_listens_on_the_loopback_alone_and_asks_for_a_token(local_ray: None) -> None:
    hosts = sorted(set(listening()))
    assert hosts, "somebody listens"
    assert all(host.endswith("0100007F") for host in hosts), hosts
    assert os.environ.get("RAY_AUTH_MODE") == "token"


def test_a_ray_that_we_start_keeps_the_handler_of_sigterm(local_ray: None) -> None:
    assert signal.getsignal(signal.SIGTERM) is own_handler
