"""Whatever stops a run, and wherever: resumed, it ends with the bits of a run that nothing stopped."""

from __future__ import annotations

import itertools
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import evoloss.atomic_files as atomic_files
import evoloss.pretraining.loop as loop
from evoloss.cli import main
from evoloss.errors import CheckpointError
from evoloss.fitness import RankingFitness
from evoloss.pretraining import PretrainConfig, pretrain
from evoloss.pretraining.history import HistoryFile
from evoloss.strategies import STRATEGIES
from tests.pretraining.runs import same_files, saved_params, tiny, untimed_history
from tests.sampling import sampled

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the program catches it."""


# Every place where a generation can be cut in two: object, attribute.
STEPS: dict[str, tuple[Any, str]] = {
    "ask": (STRATEGIES["es_comma"], "ask"),
    "evaluate": (RankingFitness, "evaluate"),
    "tell": (STRATEGIES["es_comma"], "tell"),
    "held-out score": (loop, "score_all"),
    "history line": (HistoryFile, "append"),
    "history to disk": (HistoryFile, "sync"),
    "checkpoint": (loop, "write_checkpoint"),
    "file to disk": (atomic_files.os, "fsync"),
    "file into place": (atomic_files.os, "replace"),
    "final files": (loop.PretrainResult, "save"),
}


def stop_in(owner: Any, name: str, call: int, after: bool, how: type[BaseException]) -> Callable[..., Any]:
    """A stand-in for ``owner.name`` that stops the run in its ``call``-th call, before or after the work."""
    real, calls = getattr(owner, name), iter(range(call + 1))

    def stopping(*args: Any, **kwargs: Any) -> Any:
        last = next(calls, None) == call
        if last and not after:
            raise how
        result = real(*args, **kwargs)
        if last:
            raise how
        return result

    return stopping


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("straight")
    pretrain(tiny(mutation="chaotic"), out=out)
    return out


@pytest.mark.parametrize(
    ("step", "after", "how"), sampled(itertools.product(STEPS, [False, True], [KeyboardInterrupt, Killed]), 3)
)
def test_stopped_at_any_step(
    uninterrupted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    after: bool,
    how: type[BaseException],
):
    owner, name = STEPS[step]
    config, stops = tiny(mutation="chaotic"), 0
    for call in (0, 1, 4):  # at the start, then further on in what is left of the run
        resume = (tmp_path / "checkpoint.safetensors").exists()
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, stop_in(owner, name, call, after, how))
            try:
                pretrain(config, out=tmp_path, resume=resume)
            except how:
                stops += 1
    assert stops > 0
    pretrain(config, out=tmp_path, resume=(tmp_path / "checkpoint.safetensors").exists())
    assert same_files(tmp_path, uninterrupted)
    assert not list(tmp_path.glob("*.tmp"))


SEARCHES = [
    (strategy, mutation)
    for strategy in ("es_comma", "es_plus", "open_es", "snes", "pycma")
    for mutation in ("gaussian", "chaotic")
    if (strategy, mutation) != ("pycma", "chaotic")  # pycma takes no mutation
]


@pytest.mark.parametrize(("strategy", "mutation"), [*sampled(SEARCHES[:-1], 3), SEARCHES[-1]])
def test_every_strategy_goes_on_where_it_was(tmp_path: Path, strategy: str, mutation: str):
    config = tiny(strategy=strategy, mutation=mutation, generations=6)
    pretrain(config, out=tmp_path / "straight")

    def stop(record: loop.GenerationRecord) -> None:
        if record.generation in (2, 5):
            raise KeyboardInterrupt

    for resume in (False, True):
        with pytest.raises(KeyboardInterrupt):
            pretrain(config, out=tmp_path / "stopped", resume=resume, on_generation=stop)
    pretrain(config, out=tmp_path / "stopped", resume=True)
    assert same_files(tmp_path / "stopped", tmp_path / "straight")


def test_ctrl_c_loses_no_complete_generation(tmp_path: Path):
    def stop(record: loop.GenerationRecord) -> None:
        if record.generation == 5:
            raise KeyboardInterrupt

    config = tiny(checkpoint_every=100)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config, out=tmp_path, on_generation=stop)
    assert loop.read_checkpoint(tmp_path, config).generation == 5


def test_an_old_checkpoint_is_renewed_by_the_clock(tmp_path: Path):
    def stop(record: loop.GenerationRecord) -> None:
        time.sleep(0.002)
        if record.generation == 5:
            raise Killed

    config = tiny(checkpoint_every=100, checkpoint_seconds=0.001)
    with pytest.raises(Killed):
        pretrain(config, out=tmp_path, on_generation=stop)
    assert loop.read_checkpoint(tmp_path, config).generation == 4


def test_a_finished_run_can_be_resumed_with_more_generations(tmp_path: Path):
    config = tiny(generations=9)
    pretrain(config, out=tmp_path / "straight")
    pretrain(replace(config, generations=3), out=tmp_path / "grown")
    pretrain(config, out=tmp_path / "grown", resume=True)
    assert same_files(tmp_path / "grown", tmp_path / "straight")
    assert PretrainConfig.from_toml(tmp_path / "grown" / "pretrain.toml") == config
    again = pretrain(config, out=tmp_path / "grown", resume=True)  # nothing is left to do
    assert len(again.history) == 9
    assert same_files(tmp_path / "grown", tmp_path / "straight")


def test_a_history_that_fell_behind_is_refused(tmp_path: Path):
    pretrain(tiny(generations=6), out=tmp_path)
    path = tmp_path / "history.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:4]))
    with pytest.raises(CheckpointError, match="has 4 generations, the checkpoint is at 6"):
        pretrain(tiny(generations=7), out=tmp_path, resume=True)


# The real thing: processes and signals.

SMALL: dict[str, Any] = {"classes": (2, 10), "popsize": 16, "pairs": 64, "eval_pairs": 32, "n_grid": 16}


def command(out: Path, config: PretrainConfig, *more: str) -> list[str]:
    path = out.parent / "config.toml"
    path.write_text(config.to_toml())
    return [sys.executable, "-m", "evoloss", "pretrain", "--out", str(out), "--config", str(path), *more]


def start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def lines_in(out: Path) -> int:
    path = out / "history.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def signal_at(process: subprocess.Popen[str], out: Path, generation: int, delay: float, number: int) -> str:
    """Send a signal once the run is at a generation, a moment later; return what the process printed."""
    while lines_in(out) < generation and process.poll() is None:
        time.sleep(0.002)
    time.sleep(delay)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=120)
    return printed


def kill_and_compare(tmp_path: Path, config: PretrainConfig, seed: int, kills: int) -> None:
    moments = random.Random(seed)
    out = tmp_path / "killed"
    for attempt in range(kills):
        generation = lines_in(out) + moments.randrange(1, config.generations // (kills + 1))
        delay = moments.uniform(0, 0.05)
        more = ["--resume"] if (out / "checkpoint.safetensors").exists() else []
        process = start(command(out, config, *more))
        printed = signal_at(process, out, generation, delay, signal.SIGKILL)
        print(f"kill {attempt}: asked for generation {generation} + {delay:.4f} s, at {lines_in(out)}")
        assert process.returncode == -signal.SIGKILL, printed
    assert main(command(out, config, "--resume")[3:]) == 0
    result = pretrain(config, out=tmp_path / "straight")
    assert untimed_history(out) == untimed_history(tmp_path / "straight")
    assert saved_params(out).equal(result.loss.params)
    assert same_files(out, tmp_path / "straight")


@pytest.mark.parametrize(
    ("strategy", "mutation"), sampled([("open_es", "chaotic"), ("es_comma", "gaussian")], 2)
)
def test_sigkill_in_mid_run(tmp_path: Path, strategy: str, mutation: str):
    config = PretrainConfig(
        **SMALL,
        network="monotone",
        generations=40,
        checkpoint_every=3,
        strategy=strategy,  # type: ignore[arg-type]
        mutation=mutation,  # type: ignore[arg-type]
    )
    kill_and_compare(tmp_path, config, seed=len(strategy), kills=2)


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "mutation"), SEARCHES)
@pytest.mark.parametrize("seed", [1, 2])
def test_sigkill_many_times(tmp_path: Path, strategy: str, mutation: str, seed: int):
    config = PretrainConfig(
        **SMALL,
        network="monotone",
        generations=300,
        seed=seed,
        checkpoint_every=3,
        strategy=strategy,  # type: ignore[arg-type]
        mutation=mutation,  # type: ignore[arg-type]
    )
    kill_and_compare(tmp_path, config, seed=seed, kills=5)


@pytest.mark.parametrize("number", sampled([signal.SIGTERM, signal.SIGINT], 2))
def test_a_polite_signal_leaves_a_checkpoint_and_says_how_to_go_on(tmp_path: Path, number: int):
    config = PretrainConfig(**SMALL, network="monotone", generations=40, checkpoint_every=1000)
    out = tmp_path / "a [red]run"  # space and brackets must survive being pasted into a shell
    process = start(command(out, replace(config, generations=100_000)))
    # A generation counts as complete once the next one's line is there: its own is written a moment before.
    printed = signal_at(process, out, 6, 0.0, number)
    assert process.returncode == 130, printed
    assert "Traceback" not in printed
    saved = loop.read_checkpoint(out, replace(config, generations=100_000))
    assert saved.generation >= 5
    assert saved.generation <= lines_in(out) <= saved.generation + 1
    line = next(line.strip() for line in printed.splitlines() if "--resume" in line)
    assert line == f"evoloss pretrain --out '{out}' --resume"
    config = replace(config, generations=saved.generation + 3)
    assert main([*shlex.split(line)[1:], "--generations", str(config.generations)]) == 0
    pretrain(config, out=tmp_path / "straight")
    assert saved_params(out).equal(saved_params(tmp_path / "straight"))
    assert os.listdir(out).count("checkpoint.safetensors") == 1
