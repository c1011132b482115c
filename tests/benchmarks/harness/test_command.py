from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.harness.command import command_line, module_name, run
from benchmarks.speed.engine.__main__ import EngineBenchmark
from benchmarks.transfer.run import TransferStudy
from evoloss.errors import ConfigError, EvolossError

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, kw_only=True)
class Example:
    """Options of every kind."""

    out: Path
    """A file."""
    rounds: int = 3
    """A number."""
    names: tuple[str, ...] = ("a",)
    """Words."""
    fast: bool = False
    """A flag."""
    slow: bool = True
    """Another one."""

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ConfigError("rounds must be at least 1")


def test_the_command_names_what_is_not_at_its_default() -> None:
    module = __name__
    assert command_line(Example(out=Path("r.json"))) == f"python -m {module} --out r.json"
    options = Example(out=Path("a b"), rounds=5, names=("x y", "z"), fast=True, slow=False)
    assert command_line(options) == (
        f"python -m {module} --out 'a b' --rounds 5 --names 'x y' z --fast --no-slow"
    )


def test_the_command_names_no_folder_of_a_machine(tmp_path: Path) -> None:
    assert command_line(Example(out=tmp_path / "r.json")).endswith(" --out OUT")
    assert command_line(Example(out=Path.cwd() / "r.json")).endswith(" --out r.json")


def test_modules_are_named_as_python_runs_them() -> None:
    assert module_name(TransferStudy) == "benchmarks.transfer.run"
    assert module_name(EngineBenchmark) == "benchmarks.speed.engine"


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (3, 3)])
def test_the_status_is_that_of_the_work(
    monkeypatch: pytest.MonkeyPatch, returned: int | None, status: int
) -> None:
    given: list[Example] = []
    monkeypatch.setattr(sys, "argv", ["example", "--out", "r.json", "--names", "b", "c"])
    with pytest.raises(SystemExit) as ended:
        run(Example, lambda options: given.append(options) or returned)
    assert ended.value.code == status
    assert given == [Example(out=Path("r.json"), names=("b", "c"))]


def test_a_mistake_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(options: Example) -> None:
        raise EvolossError("no such file; name another")

    monkeypatch.setattr(sys, "argv", ["example", "--out", "r.json"])
    with pytest.raises(SystemExit) as ended:
        run(Example, fail)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"{__name__}: no such file; name another\n"


MODULES = (
    *("speed.run", "speed.engine", "speed.roofline", "speed.scaling", "speed.students", "speed.loss_step"),
    *("speed.training_step", "speed.gpu_loss_step", "speed.sweep_scaling"),
    *("transfer.run", "chaos.run", "cifar10_gpu.run"),
    *("synthetic.run", "synthetic.priors", "synthetic.promotion", "synthetic.rank_correlation"),
)


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_every_command_has_a_help(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"python -m benchmarks.{module}" in done.stdout
