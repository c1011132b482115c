from __future__ import annotations

import builtins
from typing import Any

import pytest

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.executors import ExecutorConfig, make_executor


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"executor": "threads"}, "executor must be one of serial, processes, ray; got 'threads'"),
        ({"executor": "processes", "workers": 0}, "workers must be at least 1; got 0"),
        ({"workers": 2}, "the serial executor has one worker; for 2 choose processes or ray"),
        ({"address": "auto"}, "are for the ray executor; the executor is serial"),
        ({"executor": "processes", "gpus_per_run": 0.5}, "are for the ray executor"),
        ({"executor": "ray", "gpus_per_run": -1.0}, "gpus_per_run must be 0 to 1"),
        ({"executor": "ray", "gpus_per_run": 1.5}, "or a whole number above"),
    ],
)
def test_bad_choices(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExecutorConfig(**choice)
    with pytest.raises(ConfigError, match=message):
        make_executor(choice.pop("executor", "serial"), **choice)


def test_bad_threads() -> None:
    with pytest.raises(ConfigError, match=r"threads must be from 1 to \d+, got 0"):
        make_executor("processes", threads=0)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original_import = builtins.__import__

    def without_ray(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "ray":
            raise ModuleNotFoundError("No module named 'ray'", name="ray")
        return original_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(MissingExtraError, match=r"pip install 'evoloss\[ray\]'"):
        make_executor("ray")
