"""Programs that tests start, watch and kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LIMIT_SECONDS = 300.0  # for what takes seconds on a quiet machine


class Program(subprocess.Popen[str]):
    """A process that does not outlive a test that fails."""

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, error, trace)


def start(arguments: Sequence[object]) -> Program:
    """Start a Python program whose output can be read and that can import the tests."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return Program(
        [sys.executable, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def run(arguments: Sequence[object], *, limit: float = LIMIT_SECONDS) -> tuple[int, str]:
    """Run a Python program; return its exit code and all that it printed."""
    with start(arguments) as process:
        try:
            printed, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            printed, _ = process.communicate()
            raise AssertionError(f"it hangs after {limit:.0f} s, and printed:\n{printed}") from None
    return process.returncode, printed


def wait_for(condition: Callable[[], object], seconds: float = LIMIT_SECONDS) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    """The living children of a process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def killed(process: subprocess.Popen[str]) -> None:
    """Kill a program, and wait for its end."""
    process.send_signal(signal.SIGKILL)
    process.wait(LIMIT_SECONDS)
