"""The program as a process: its streams, and what interrupts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.sampling import sampled

PROGRAM = [sys.executable, "-m", "evoloss"]
# A command that stands for any, in a module of its own.
STUB = """
import sys
import evoloss.cli as cli
cli.COMMANDS["stub"] = ("stub_command", "Config", "stand for another")
sys.argv[1:] = ["stub"]
sys.exit(cli.main())
"""
HEAD = "from dataclasses import dataclass\nimport time\n@dataclass\nclass Config: pass\n"
WAIT = "print('begun', flush=True)\ntime.sleep(30)\n"


def begin(folder: Path, body: str, *, in_run: bool = True, **options: Any) -> subprocess.Popen[str]:
    """Start the program with a command of this body, and wait for its first line."""
    if in_run:
        body = "def run(config):\n" + textwrap.indent(body, "    ")
    (folder / "stub_command.py").write_text(HEAD + body)
    process = subprocess.Popen(
        [sys.executable, "-c", STUB],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
        **options,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Interrupt the program, and return its status and what it still said."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_an_interrupt_while_modules_are_imported_is_quiet(tmp_path: Path) -> None:
    hidden = "try:\n" + textwrap.indent(WAIT, "    ") + "except BaseException:\n    raise ImportError\n"
    assert interrupted(begin(tmp_path, hidden, in_run=False)) == (130, "", "evoloss: interrupted\n")


def test_an_interrupt_at_work_is_an_exception_of_the_command(tmp_path: Path) -> None:
    body = "try:\n" + textwrap.indent(WAIT, "    ") + "finally:\n    print('saved')\n"
    assert interrupted(begin(tmp_path, body)) == (130, "saved\n", "evoloss: interrupted\n")


def test_an_interrupt_that_comes_out_as_another_error_is_one_all_the_same(tmp_path: Path) -> None:
    body = "try:\n" + textwrap.indent(WAIT, "    ") + "except KeyboardInterrupt:\n    raise ImportError\n"
    assert interrupted(begin(tmp_path, body)) == (130, "", "evoloss: interrupted\n")


def test_a_job_that_ignores_interrupts_goes_on_doing_so(tmp_path: Path) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    body = "print('begun', flush=True)\ntime.sleep(1)\nreturn 0\n"
    assert interrupted(begin(tmp_path, body, preexec_fn=ignore)) == (0, "", "")


@pytest.mark.parametrize(
    ("redirection", "status", "error"),
    [
        ("| true", "141", ""),
        pytest.param(">&-", "0", "", marks=pytest.mark.slow),
        ("> /dev/full", "2", "evoloss: error: No space left on device\n"),
    ],
    ids=["nobody reads", "closed", "full"],
)
def test_output_that_goes_nowhere(redirection: str, status: str, error: str) -> None:
    code = "import time; time.sleep(0.5); import sys; from evoloss.cli import main; sys.exit(main())"
    command = f"( '{sys.executable}' -c '{code}' losses; echo $? >&3 ) {redirection}"
    done = subprocess.run(
        ["bash", "-c", f"( {command} ) 3>&2"], capture_output=True, text=True, check=False, timeout=60
    )
    *said, code_line = done.stderr.splitlines(keepends=True)
    assert ("".join(said), code_line) == (error, f"{status}\n")


@pytest.mark.parametrize("encoding", sampled(["ascii", "latin-1"], 2))
def test_any_encoding_does(encoding: str) -> None:
    environ = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "60"}
    done = subprocess.run([*PROGRAM, "losses"], capture_output=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    assert b"evolved-base" in done.stdout
    done.stdout.decode(encoding)


@pytest.mark.parametrize("columns", sampled(["1", "wide"], 2))
def test_any_width_does(columns: str) -> None:
    environ = {**os.environ, "COLUMNS": columns, "TERM": "dumb", "NO_COLOR": "1"}
    done = subprocess.run([*PROGRAM, "losses"], capture_output=True, text=True, check=False, env=environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout


def test_the_usage_needs_neither_torch_nor_rich() -> None:
    code = "import sys; from evoloss.cli import main; main(['--help'])\n"
    code += "heavy = {'torch', 'rich', 'tyro', 'numpy'} & set(sys.modules)\nassert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Interrupts the program when it comes to a module.
AT_MODULE = """
import os, signal, sys
module = sys.argv.pop(1)
class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from evoloss.__main__ import program
sys.exit(program())
"""


@pytest.mark.parametrize(
    "module", ["evoloss.cli", "evoloss.errors", "evoloss.cli.inspect", "torch", "rich.table", "tyro"]
)
def test_an_interrupt_at_any_import_of_the_program_is_one_line(module: str) -> None:
    command = [sys.executable, "-c", AT_MODULE, module, "inspect", "gce"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "evoloss: interrupted\n")


def test_a_job_in_the_background_ignores_interrupts_from_the_first_import_on() -> None:
    code = AT_MODULE.replace("\nmodule", "\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nmodule")
    command = [sys.executable, "-c", code, "evoloss.cli", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
