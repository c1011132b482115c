"""Command lines of every kind, run in a folder of their own, with files that are odd, damaged or vanish.

``python -m benchmarks.robustness.command_lines`` rewrites ``results/command_lines.json``; 3,000 lines take
about eight minutes of a core. A line runs inside of the campaign's process; one in ``PROCESS_EVERY`` is a
process of its own, half of those with an interrupt at a random moment of its first seconds. What comes of
it is one of

- ``done``: status 0; ``usage``: status 2 and the explanation of the parser; ``refused``: status 2, one line
  on standard error, and every file as it was;
- ``stopped``: it was still at work after ``WORK_SECONDS``, or interrupted, and then ended with status 130 and
  at most one line on standard error;
- ``late``: refused, but files had been written; ``unclear``: another status, or more than a line;
- ``traceback``, ``crash``, ``hang``, ``memory``: as in every campaign.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.robustness.campaign import LINE_OUTCOMES, Campaign, Damage, Misbehaviour, main
from benchmarks.robustness.command_grammar import BASES, INPUTS, Line, draw_line
from benchmarks.robustness.data_files import write_archives
from benchmarks.robustness.mutations import damage_bytes
from evoloss import cli
from evoloss.losses.evolved import EvolvedLoss

PROCESS_EVERY = 80
WORK_SECONDS = 4.0
_MEMORY = "0.5"  # billion bytes: what a line may plan with, below what the campaign lets a trial take
_ERROR = "evoloss: error: "
_VANISHING = 0.03


class CommandLineCampaign(Campaign):
    """Command lines with good, odd and impossible values."""

    name = "command_lines"
    outcomes = LINE_OUTCOMES
    always_here = False  # whether no line is a process of its own

    def draw(self, draw: random.Random) -> Line:
        """Draw a line."""
        return draw_line(draw)

    def prepare(self, folder: Path) -> None:
        """Write good inputs of every kind."""
        draw = np.random.default_rng(0)
        x, y = draw.standard_normal((60, 4)).astype(np.float32), np.arange(60) % 3
        np.savez(folder / "tiny.npz", x_train=x, y_train=y, x_test=x[:15], y_test=y[:15])
        for index in range(12):
            path = folder / "images" / "ab"[index % 2] / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw.integers(0, 256, (8, 8, 3)).astype(np.uint8)).save(path)
        EvolvedLoss.from_pretrained("evolved-small").save_pretrained(folder / "loss")
        write_archives(folder / "tar")
        here = {"EVOLOSS_CACHE_DIR": "off"}
        for command, out in (("pretrain", "run"), ("compare", "results")):
            line = [place.replace(f"{INPUTS}/", f"{folder}/") for place in BASES[command]]
            line[line.index("out")] = str(folder / out)
            with _environment(here), _captured() as captured:
                status = cli.main([command, *line])
            if status != 0:
                raise RuntimeError(f"{command} fails on good input:\n{captured.error}")

    def trial(self, seed: int, prepared: Path, folder: Path) -> tuple[str, str]:
        """Draw a line, make its places, and run it."""
        _warm_up()
        draw = random.Random(seed)
        work = folder / "work"
        make_places(work, prepared, draw)
        line = self.draw(draw)
        in_process = self.always_here or seed % PROCESS_EVERY != 0
        before = _state(work)
        vanishes = in_process and draw.random() < _VANISHING
        environ = {
            **{"HOME": str(work / "home"), "EVOLOSS_MAX_MEMORY_GB": _MEMORY, "EVOLOSS_CACHE_DIR": "off"},
            **{"EVOLOSS_DATA_DIR": str(work / "damaged"), "COLUMNS": "100"},
        }
        with _environment(environ), _inside(work), _vanishing(work, draw if vanishes else None):
            ended = _run_here(line) if in_process else _run_process(line, draw)
        changed = not vanishes and _state(work) != before
        what = line.what + (", vanishing" if vanishes else "") + ("" if in_process else ", a process")
        outcome = judge(ended, changed=changed)
        if outcome in ("done", "usage", "refused", "stopped"):
            return what, outcome
        raise Misbehaviour(what, outcome, f"{line.arguments!r}: status {ended.status}: {ended.error[-600:]}")


@dataclass(frozen=True)
class Ended:
    """How a line ended.

    Attributes:
        status: exit status.
        error: what it wrote to standard error.
        interrupted: whether it was interrupted.
    """

    status: int | None
    error: str
    interrupted: bool = False


def judge(ended: Ended, *, changed: bool) -> str:
    """Name what came of a line.

    Args:
        ended: the line.
        changed: whether files are other than before it.
    """
    lines = ended.error.splitlines()
    if ended.interrupted and _is_before_the_program(ended):
        return "stopped"
    if "Traceback" in ended.error:
        return "traceback"
    if ended.status is not None and ended.status < 0:
        return "crash"
    if ended.status == 0:
        return "done"
    if ended.status == 130 and ended.interrupted:
        return "stopped" if len(lines) <= 1 else "unclear"
    if ended.status != 2 or not lines:
        return "unclear"
    parser = lines[0].startswith(("╭", "usage:", "error:")) or lines[0].startswith("Required options")
    if not parser and (len(lines) > 1 or not lines[0].startswith(_ERROR) or not lines[0].isprintable()):
        return "unclear"
    return "late" if changed else "usage" if parser else "refused"


def _is_before_the_program(ended: Ended) -> bool:
    """Tell whether Python itself was starting or ending, whose own answer to an interrupt it is then."""
    ours = "evoloss/cli/" in ended.error
    return not ours and (ended.status == -signal.SIGINT or ended.error.endswith("KeyboardInterrupt\n"))


def make_places(work: Path, prepared: Path, draw: random.Random) -> None:
    """Write the places that a line may name: good inputs, damaged ones, and what is no file at all."""
    shutil.copytree(prepared, work / INPUTS)
    for name in ("home", "folder", "damaged", "unreadable-folder"):
        (work / name).mkdir()
    os.mkfifo(work / "fifo")
    (work / "dangling").symlink_to(work / "nowhere")
    (work / "loop").symlink_to("loop")
    (work / "empty").touch()
    for name in ("file", "unreadable"):
        (work / name).write_text("mine\n")
    damage = {
        "damaged.npz": "tiny.npz",
        "damaged.toml": "run/pretrain.toml",
        "damaged/results.json": "results/results.json",
        "damaged/cifar-10-binary.tar.gz": "tar/a.tar.gz",
        "damaged/checkpoint.safetensors": "run/checkpoint.safetensors",
    }
    for name, original in damage.items():
        content = (prepared / original).read_bytes()
        (work / name).write_bytes(damage_bytes(content, draw))
    shutil.copytree(prepared / "loss", work / "damaged-loss")
    victim = draw.choice(sorted((work / "damaged-loss").iterdir()))
    victim.write_bytes(damage_bytes(victim.read_bytes(), draw))
    (work / "unreadable").chmod(0)
    (work / "unreadable-folder").chmod(0)


def _state(work: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and the time of its last change."""
    return {
        os.path.join(place, name): (status.st_size, status.st_mtime_ns)
        for place, _, names in os.walk(work)
        for name in names
        for status in (os.lstat(os.path.join(place, name)),)
    }


class _Captured:
    """Standard error of a line that runs in this process."""

    def __init__(self) -> None:
        self.streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") for _ in range(2)]

    @property
    def error(self) -> str:
        """What was written to standard error."""
        self.streams[1].flush()
        content: Any = self.streams[1].buffer
        return bytes(content.getvalue()).decode()


@contextmanager
def _captured() -> Iterator[_Captured]:
    captured = _Captured()
    with redirect_stdout(captured.streams[0]), redirect_stderr(captured.streams[1]):
        yield captured


@cache
def _warm_up() -> None:
    """Import what is imported late: an interrupt in the midst of an import spoils the lines that follow."""
    with tempfile.TemporaryDirectory() as place, _inside(Path(place)), _captured():
        for line in (["inspect", "gce", "--out", "out"], ["losses"]):
            cli.main(line)
        for module, _, _ in cli.COMMANDS.values():
            importlib.import_module(module)


def _run_here(line: Line) -> Ended:
    """Run the line in this process; what takes longer than the limit is interrupted, as by Ctrl-C."""
    interrupted = False

    def interrupt(signum: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    threads, level, disabled = torch.get_num_threads(), torch.is_grad_enabled(), logging.root.manager.disable
    before = signal.signal(signal.SIGALRM, interrupt)
    status: int | None
    with _captured() as captured, warnings.catch_warnings():
        warnings.simplefilter("default")
        signal.setitimer(signal.ITIMER_REAL, WORK_SECONDS)
        try:
            status = cli.main(line.arguments)
        except SystemExit as ending:
            status = ending.code if isinstance(ending.code, int) else 1
        except Exception as error:
            raise Damage(f"{line.what}, {line.arguments!r}"[:300]) from error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            torch.set_num_threads(threads)
            torch.set_grad_enabled(level)
            logging.disable(disabled)
    return Ended(status, captured.error, interrupted)


def _run_process(line: Line, draw: random.Random) -> Ended:
    """Run the line as a process, and interrupt half of them."""
    arguments = [each.replace("\0", "") for each in line.arguments]
    moment = draw.uniform(0.15, 4.0) if draw.random() < 0.5 else None
    root = Path(cli.__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-m", "evoloss", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    ) as process:
        interrupted = False
        try:
            _, error = process.communicate(timeout=moment or 3 * WORK_SECONDS)
        except subprocess.TimeoutExpired:
            interrupted = True
            process.send_signal(signal.SIGINT)
            try:
                _, error = process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise Misbehaviour(line.what, "hang", repr(line.arguments)) from None
    return Ended(process.returncode, error.decode(errors="backslashreplace"), interrupted)


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _vanishing(work: Path, draw: random.Random | None) -> Iterator[None]:
    """Let one of the inputs, or what is written, vanish while a line runs."""
    if draw is None:
        yield
        return
    place = work / draw.choice((INPUTS, f"{INPUTS}/results", f"{INPUTS}/tiny.npz", f"{INPUTS}/loss", "out"))

    def remove() -> None:
        with suppress(OSError):
            place.unlink() if place.is_file() else shutil.rmtree(place)

    timer = threading.Timer(draw.uniform(0, 0.5), remove)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(CommandLineCampaign(), 3000)
