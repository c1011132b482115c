from __future__ import annotations

import sys
from importlib import import_module, util
from pathlib import Path

import pytest
import tyro

from benchmarks.speed import run
from benchmarks.speed.page import RESULTS
from benchmarks.speed.run import BENCHMARKS, SpeedStudy, commands, main
from evoloss.errors import UnknownNameError


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_takes_its_command(name: str, tmp_path: Path) -> None:
    """The options are the module's own, and the result is one that is committed."""
    arguments = commands(SpeedStudy(out=tmp_path))[name]
    assert arguments[:2] == [sys.executable, "-m"]
    spec = util.find_spec(arguments[2])
    assert spec is not None
    module = import_module(f"{arguments[2]}.__main__" if spec.submodule_search_locations else arguments[2])
    (options,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and "out" in value.__annotations__
    )
    assert tyro.cli(options, args=arguments[3:]).out == tmp_path / f"{name}.json"
    assert (RESULTS / f"{name}.json").exists()


def test_a_failure_stops_the_run_and_the_page_is_made_for_the_committed_results_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def record(arguments: list[str]) -> int:
        calls.append(arguments[2])
        return 3 if arguments[2] == "benchmarks.speed.scaling" else 0

    monkeypatch.setattr(run, "run_command", record)
    monkeypatch.setattr(run, "write", lambda: calls.append("page"))
    assert main(SpeedStudy(out=tmp_path, only=("engine", "loss_step"))) == 0
    assert calls == ["benchmarks.speed.engine", "benchmarks.speed.loss_step"]
    calls.clear()
    assert main(SpeedStudy(only=("loss_step",))) == 0
    assert calls == ["benchmarks.speed.loss_step", "page"]
    calls.clear()
    assert main(SpeedStudy(out=tmp_path)) == 3
    assert calls[-1] == "benchmarks.speed.scaling"


def test_unknown_results_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'loss_step'"):
        SpeedStudy(only=("loss_steps",))
