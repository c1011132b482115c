from __future__ import annotations

import sys
import time
from pathlib import Path

import tyro

from benchmarks.harness.comparison import available, compare_command, run_command
from evoloss.cli.compare import CompareCommand


def test_a_comparison_is_a_call_that_the_command_line_takes(tmp_path: Path) -> None:
    options = {"dataset": "digits", "train-samples": None, "epochs": 3, "out": tmp_path}
    arguments = compare_command(options, lr_grid=(0.1, 1e-3), losses=("cross_entropy", "gce"), seeds=2)
    assert arguments[:4] == [sys.executable, "-m", "evoloss", "compare"]
    assert "--train-samples" not in arguments
    parsed = tyro.cli(CompareCommand, args=arguments[4:])
    assert (parsed.dataset, parsed.epochs, parsed.seeds, parsed.out) == (("digits",), 3, (0, 1), tmp_path)
    assert (parsed.losses, parsed.lr_grid) == (("cross_entropy", "gce"), (0.1, 0.001))


def test_without_a_grid_all_losses_have_the_rate_of_the_options() -> None:
    options = {"out": "out", "lr": 0.3}
    arguments = compare_command(options, lr_grid=(), losses=("cross_entropy",), seeds=1)
    assert "--lr-grid" not in arguments
    parsed = tyro.cli(CompareCommand, args=arguments[4:])
    assert (parsed.tune_lr, parsed.lr) == (False, 0.3)


def test_losses_that_this_version_does_not_have_are_left_out(tmp_path: Path) -> None:
    names = ("gce", "evolved-base", "gone", "mine", str(tmp_path))
    assert available(names) == ("gce", "evolved-base", str(tmp_path))
    assert available(names, ("mine",)) == ("gce", "evolved-base", "mine", str(tmp_path))


def test_variables_are_added_to_the_environment() -> None:
    script = "import os; raise SystemExit(7 if os.environ['A_LIMIT'] == '9' and 'PATH' in os.environ else 1)"
    assert run_command([sys.executable, "-c", script], environment={"A_LIMIT": "9"}) == 7


def test_a_command_ends_by_itself_or_is_interrupted(tmp_path: Path) -> None:
    assert run_command([sys.executable, "-c", "raise SystemExit(4)"], seconds=30.0) == 4
    log = tmp_path / "log"
    script = f"""
import pathlib, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
try:
    pathlib.Path({str(log)!r}).write_text("started")
    time.sleep(60)
except KeyboardInterrupt:
    pathlib.Path({str(log)!r}).write_text("interrupted")
"""
    start = time.monotonic()
    assert run_command([sys.executable, "-c", script], seconds=5.0) is None
    assert log.read_text() == "interrupted"
    assert time.monotonic() - start < 25


def test_a_command_that_ignores_the_interrupt_is_killed() -> None:
    script = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
    start = time.monotonic()
    assert run_command([sys.executable, "-c", script], seconds=2.0, grace=1.0) is None
    assert time.monotonic() - start < 25
