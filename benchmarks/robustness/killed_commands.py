"""A command that is started, stopped at a random moment, and looked at: what it said, and what it left."""

from __future__ import annotations

import hashlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors

from evoloss.directory_lock import LOCK_FILE

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
LIMIT_SECONDS = 300.0  # for a command that takes seconds, on a machine that does other things too
WORKER_SECONDS = 15.0  # in which workers have to follow their parent
EARLY = 0.15  # share of the signals that may come before the work begins

_MARK = "EVOLOSS_KILLED_COMMAND"  # a variable that all processes of a command have
_LOOK_SECONDS = 0.005
# What a clock decides, and checksums of what holds it.
# Where a clock decides: numbers of these names, and all that end with seconds.
_TIMED = {"generations_per_second", "sha256"}


@dataclass(frozen=True)
class KillableCommand:
    """A command that works in a directory and can go on there.

    Attributes:
        name: for people.
        arguments: of ``evoloss``, without ``--out``.
        going_on: further arguments where there is something to go on with.
        module: what Python runs.
    """

    name: str
    arguments: tuple[str, ...]
    going_on: tuple[str, ...] = ()
    module: str = "evoloss"

    def can_go_on(self, out: Path) -> bool:
        """Return whether there is something to resume; without ``going_on`` a command just starts again."""
        return not self.going_on or (out / "checkpoint.safetensors").exists()

    def line(self, out: Path) -> list[str]:
        """Return the whole command for a directory."""
        more = self.going_on if self.can_go_on(out) else ()
        return [sys.executable, "-m", self.module, *self.arguments, "--out", str(out), *more]


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A command that got a signal.

    Attributes:
        number: the signal.
        phase: what the command did when it came: ``starting``, ``working`` (the directory was held),
            ``ending``, or ``finished`` if it came too late.
        status: exit status; negative is the signal that ended the process.
        printed: by the command and its workers.
        hung: the command did not end in time.
        living: processes of the command that did not end in time.
        seconds_to_last_worker: from the end of the command to the end of all its processes.
    """

    number: signal.Signals
    phase: str
    status: int
    printed: str
    hung: bool
    living: tuple[int, ...]
    seconds_to_last_worker: float


@dataclass(frozen=True, kw_only=True)
class End:
    """A command that was left alone: its status, what it printed, what lives on, and how long it worked."""

    status: int
    printed: str
    living: tuple[int, ...]
    working_seconds: float


def finish(command: KillableCommand, out: Path) -> End:
    """Run a command to its end."""
    with _started(command, out) as (process, mark, printed):
        while process.poll() is None and not _holds(process.pid, out):
            time.sleep(_LOOK_SECONDS)
        began = time.monotonic()
        _wait(process)
        seconds = time.monotonic() - began
        living, _ = _wait_for_workers(mark)
        return End(
            status=process.returncode,
            printed=printed.read_text(errors="replace"),
            living=living,
            working_seconds=seconds,
        )


def stop_at_random(command: KillableCommand, out: Path, seconds: float, draw: random.Random) -> Stop:
    """Start a command and send it a signal.

    SIGKILL goes to the command alone, SIGINT to its whole group, as from a terminal, SIGTERM to either.

    Args:
        command: what is started.
        out: its directory.
        seconds: how long it works when it is left alone; the signal comes within this time, most often.
        draw: source of the signal and its moment.
    """
    number, early, moment = draw.choice(SIGNALS), draw.random() < EARLY, draw.random()
    group = number is signal.SIGINT or (number is signal.SIGTERM and draw.random() < 0.5)
    with _started(command, out) as (process, mark, printed):
        began = time.monotonic()
        while not early and process.poll() is None and not _holds(process.pid, out):
            time.sleep(_LOOK_SECONDS)
        began = began if early else time.monotonic()
        while process.poll() is None and time.monotonic() < began + moment * seconds:
            time.sleep(_LOOK_SECONDS)
        phase = _phase(process, out)
        if phase != "finished":
            (os.killpg if group else os.kill)(process.pid, number)
        hung = not _wait(process)
        living, lag = _wait_for_workers(mark)
        if phase == "working" and not _holds(process.pid, out) and process.returncode in (0, -number):
            phase = "ending"  # it let the directory go by itself, just before
        return Stop(
            number=number,
            phase=phase,
            status=process.returncode,
            printed=printed.read_text(errors="replace"),
            hung=hung,
            living=living,
            seconds_to_last_worker=lag,
        )


def content(out: Path) -> dict[str, Any]:
    """The content of a command's files by name, but for what a clock decides."""
    return {
        str(path.relative_to(out)): _content_of(path) for path in sorted(out.rglob("*")) if path.is_file()
    }


def left_files(out: Path) -> list[str]:
    """Lock files, temporary files and anything else that is hidden."""
    return sorted(
        str(path.relative_to(out))
        for path in out.rglob("*")
        if path.name.startswith(".") or path.suffix in (".lock", ".tmp", ".evoloss-tmp")
    )


def _content_of(path: Path) -> Any:
    if path.suffix == ".json":
        return _timeless(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [_timeless(json.loads(line)) for line in path.read_text().splitlines()]
    if path.suffix == ".safetensors":
        with safetensors.safe_open(path, framework="np") as file:
            metadata = {name: value for name, value in (file.metadata() or {}).items() if not _is_timed(name)}
            tensors = {name: _digest(file.get_tensor(name).tobytes()) for name in file.keys()}  # noqa: SIM118
        return metadata, tensors
    return _digest(path.read_bytes())


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(item) for name, item in value.items() if not _is_timed(name)}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def _is_timed(name: str) -> bool:
    return name in _TIMED or name.endswith("seconds")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def _started(command: KillableCommand, out: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """Start a command in a group of its own; at the end nothing of it lives."""
    mark = secrets.token_hex(8)
    printed = out.with_name(f"{out.name}.{mark}.log")
    with printed.open("wb") as file:
        process = subprocess.Popen(
            command.line(out),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, _MARK: mark},
            start_new_session=True,
        )
    try:
        yield process, mark, printed
    finally:
        for pid in processes_of(mark):
            os.kill(pid, signal.SIGKILL)
        process.wait()


def _phase(process: subprocess.Popen[bytes], out: Path) -> str:
    if process.poll() is not None:
        return "finished"
    if _holds(process.pid, out):
        return "working"
    return "ending" if (out / "summary.json").exists() or _is_complete(out) else "starting"


def _is_complete(out: Path) -> bool:
    if (out / "ablation.json").exists():
        return True
    try:
        return bool(json.loads((out / "results.json").read_text())["complete"])
    except (OSError, ValueError):
        return False


def _holds(pid: int, out: Path) -> bool:
    try:
        return f'"pid": {pid},' in (out / LOCK_FILE).read_text()
    except OSError:
        return False


def _wait(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def _wait_for_workers(mark: str) -> tuple[tuple[int, ...], float]:
    began = time.monotonic()
    while living := processes_of(mark):
        if time.monotonic() > began + WORKER_SECONDS:
            break
        time.sleep(_LOOK_SECONDS)
    return tuple(living), time.monotonic() - began


def processes_of(mark: str) -> list[int]:
    """Processes that were started with a mark in their environment, or whose ancestors were."""
    wanted, found = f"{_MARK}={mark}".encode(), []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (path / "environ").read_bytes().split(b"\0"):
                found.append(int(path.name))
        except OSError:  # ended, or another user's
            continue
    return found
