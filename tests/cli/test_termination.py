"""SIGTERM stops every command that works for long as Ctrl-C does."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from evoloss.cli.termination import terminable
from tests.processes import children, is_running, start, wait_for
from tests.sampling import sampled

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc"
)

WORKERS = ["--executor", "processes", "--workers", "2", "--quiet"]
COMMANDS = {
    "compare": [
        *("compare", "--dataset", "digits", "--model", "mlp", "--epochs", "1000", "--seeds", "0", "1"),
        *("--losses", "cross_entropy", "--train-samples", "100", "--accelerator", "cpu"),
    ],
    "ablate": [
        *("ablate", "--vary", "sigma=0.1", "--seeds", "0", "1", "--no-figures"),
        *("--fixed", "generations=100000", "popsize=8", "pairs=16", "classes=[3]", "eval_pairs=32"),
    ],
}


def test_the_signal_is_an_interrupt_and_the_handler_is_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_in_another_thread_nothing_changes() -> None:
    seen = []

    def work() -> None:
        with terminable():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


@pytest.mark.parametrize("command", sampled(["ablate", "compare"], 2))
def test_workers_end_and_the_way_to_go_on_is_told(tmp_path: Path, command: str) -> None:
    with start(["-m", "evoloss", *COMMANDS[command], *WORKERS, "--out", tmp_path / "out"]) as process:
        assert wait_for(lambda: list((tmp_path / "out" / "runs").glob(".*.lock")))
        assert wait_for(lambda: len(children(process.pid)) == 3)  # with the tracker of multiprocessing
        workers = children(process.pid)
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "stopped; the runs that are done are in" in printed
    assert "the same command goes on" in " ".join(printed.split())
    assert "Traceback" not in printed
    assert wait_for(lambda: not any(is_running(worker) for worker in workers), 10)
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]
