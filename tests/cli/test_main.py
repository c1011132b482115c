from __future__ import annotations

import importlib
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

import evoloss
from evoloss import cli
from evoloss.cli import COMMANDS, main
from evoloss.errors import DataError, MissingExtraError


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def command_that_raises(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run(config: object) -> int:
        raise error

    real = importlib.import_module

    def stub(name: str) -> Any:
        if name == "evoloss.cli.losses":
            return SimpleNamespace(LossesCommand=real(name).LossesCommand, run=run)
        return real(name)

    monkeypatch.setattr(cli.importlib, "import_module", stub)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command(flag: str, capsys: pytest.CaptureFixture[str]):
    assert main([flag]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("usage: evoloss COMMAND")
    for name, (_, _, summary) in COMMANDS.items():
        assert name in printed
        assert summary in printed


def test_no_command_shows_the_usage_and_fails(capsys: pytest.CaptureFixture[str]):
    assert main([]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("usage: evoloss COMMAND")


def test_version(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"evoloss {evoloss.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_module_its_class_and_its_help(name: str, capsys: pytest.CaptureFixture[str]):
    module_name, class_name, summary = COMMANDS[name]
    module = importlib.import_module(module_name)
    assert callable(module.run)
    assert getattr(module, class_name).__doc__
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert f"usage: evoloss {name}" in printed
    assert summary[1:] in printed


def test_a_wrong_command_suggests_the_nearest(capsys: pytest.CaptureFixture[str]):
    assert main(["pretran", "--out", "x"]) == 2
    printed = capsys.readouterr()
    assert printed.err == (
        f"evoloss: error: no command 'pretran'. Did you mean 'pretrain'? Known: {', '.join(COMMANDS)}\n"
    )
    assert printed.out == ""


@pytest.mark.parametrize(
    ("error", "line", "status"),
    [
        (DataError("the file is broken"), "evoloss: error: the file is broken", 2),
        (MissingExtraError("needs pooch"), "evoloss: error: needs pooch", 2),
        (PermissionError(13, "Permission denied", "/a/b"), "evoloss: error: Permission denied: /a/b", 2),
        (OSError("odd"), "evoloss: error: odd", 2),
        (KeyboardInterrupt(), "evoloss: interrupted", 130),
    ],
)
def test_errors_are_one_clean_line(
    error: BaseException,
    line: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    command_that_raises(monkeypatch, error)
    assert main(["losses"]) == status
    assert capsys.readouterr().err == f"{line}\n"


def test_a_fault_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch):
    command_that_raises(monkeypatch, ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError):
        main(["losses"])


def test_a_missing_optional_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def fail(name: str) -> None:
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib.pyplot")

    monkeypatch.setattr(cli.importlib, "import_module", fail)
    assert main(["report"]) == 2
    assert "pip install 'evoloss[experiments,report]'" in capsys.readouterr().err


def test_a_missing_module_of_ours_is_a_fault_of_the_program(monkeypatch: pytest.MonkeyPatch):
    def fail(name: str) -> None:
        raise ModuleNotFoundError("No module named 'evoloss.x'", name="evoloss.x")

    monkeypatch.setattr(cli.importlib, "import_module", fail)
    with pytest.raises(ModuleNotFoundError):
        main(["report"])


def test_the_module_is_the_program():
    done = subprocess.run(
        [sys.executable, "-m", "evoloss", "inspct"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("evoloss: error: no command 'inspct'. Did you mean 'inspect'?")
    assert done.stderr.count("\n") == 1
