"""One suite for all executors."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from evoloss.errors import ConfigError, EvolossError
from evoloss.executors import Executor, ExecutorName, make_executor
from evoloss.executors.protocol import IN_FLIGHT_PER_WORKER
from evoloss.executors.ray import RayExecutor
from tests.executors.calls import count_threads, die, die_once, fail, nap, square

# Ray ends its servers without waiting for them, and their objects complain when they are collected.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

NAMES: tuple[ExecutorName, ...] = get_args(ExecutorName)
REMOTE = ("processes", "ray")


@pytest.fixture(scope="module")
def executor(request: pytest.FixtureRequest):
    name = request.param
    if name == "ray":
        request.getfixturevalue("local_ray")
    with make_executor(name, workers=1 if name == "serial" else 2) as made:
        yield made


@pytest.mark.parametrize("executor", NAMES, indirect=True)
class TestEvery:
    def test_results(self, executor: Executor) -> None:
        futures = [executor.submit(square, number) for number in range(8)]
        assert [future.result(60) for future in futures] == [number**2 for number in range(8)]

    def test_an_exception_arrives_as_it_was_raised(self, executor: Executor) -> None:
        error = executor.submit(fail, "popsize must be even").exception(60)
        assert type(error) is ConfigError
        assert str(error) == "popsize must be even"
        assert executor.submit(square, 3).result(60) == 9, "and harms no other call"

    def test_never_more_than_a_few_under_way(self, executor: Executor) -> None:
        futures, peak = [], 0
        for _ in range(4 * executor.workers * IN_FLIGHT_PER_WORKER):
            futures.append(executor.submit(nap, 0.02))
            peak = max(peak, sum(not future.done() for future in futures))
        assert peak <= executor.workers * IN_FLIGHT_PER_WORKER
        for future in futures:
            future.result(60)


@pytest.mark.parametrize("executor", REMOTE, indirect=True)
class TestRemote:
    def test_a_call_whose_worker_died_is_done_again(self, executor: Executor, tmp_path: Path) -> None:
        others = [executor.submit(square, number) for number in range(2)]
        assert executor.submit(die_once, tmp_path / "died").result(60) == "survived"
        assert (tmp_path / "died").exists()
        assert [future.result(60) for future in others] == [0, 1]

    @pytest.mark.slow
    def test_a_call_that_always_kills_its_worker_is_given_up(self, executor: Executor) -> None:
        with pytest.raises(EvolossError, match=r"3 times.* try fewer workers") as error:
            executor.submit(die).result(60)
        assert isinstance(executor, RayExecutor) or "exit code 7" in str(error.value)
        assert executor.submit(square, 4).result(60) == 16

    def test_workers_have_one_thread_each(self, executor: Executor) -> None:
        assert executor.submit(count_threads).result(60) == 1

    def test_what_failed_elsewhere_keeps_its_traceback(self, executor: Executor) -> None:
        error = executor.submit(fail, "no").exception(60)
        assert error is not None
        assert any("in fail" in note for note in error.__notes__)
