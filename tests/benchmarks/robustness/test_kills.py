"""A small campaign of kills, what the checks of the large one can see, and what was committed of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from benchmarks.robustness import killed_commands
from benchmarks.robustness.killed_commands import (
    KillableCommand,
    Stop,
    content,
    left_files,
    processes_of,
)
from benchmarks.robustness.kills import (
    COMMANDS,
    FAULTS,
    RESULTS,
    Counts,
    _faults_of,
    document,
    put_in,
    run,
)
from tests.processes import wait_for

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc"
)

STOP = Stop(
    number=signal.SIGTERM,
    phase="working",
    status=130,
    printed="stopped; the same command goes\non",
    hung=False,
    living=(),
    seconds_to_last_worker=0.1,
)
STARTS_AGAIN = next(command for command in COMMANDS if not command.going_on)


# A test a command: of a campaign of all that fails or is stopped after half an hour, nothing would be known.
@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=[command.name for command in COMMANDS])
def test_a_small_campaign(number: int) -> None:
    (found,) = run([COMMANDS[number]], 2, seed=number).values()
    assert not found.faults, found.examples
    assert (found.trials, found.identical) == (2, 2)
    assert found.stops.total() >= 2


def test_the_committed_campaign_lost_nothing() -> None:
    found = json.loads(RESULTS.read_text())
    assert found["campaign"] == "kills"
    assert found["trials"] >= 60
    assert found["identical"] == found["trials"]
    assert found["faults"] == dict.fromkeys(FAULTS, 0)
    assert list(found["commands"]) == [command.name for command in COMMANDS]
    for row in found["commands"].values():
        assert row["identical"] == row["trials"] >= 15
        working = [number for kind, number in row["stops"].items() if kind.endswith("working")]
        assert sum(working) >= 10, "most signals come in the middle of the work"
        assert row["slowest_end_of_workers_seconds"] < killed_commands.WORKER_SECONDS
    assert found["stops"] == sum(sum(row["stops"].values()) for row in found["commands"].values())


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"phase": "starting", "status": -15, "printed": ""}, None),
        ({"number": signal.SIGKILL, "status": -9, "printed": ""}, None),
        ({"hung": True}, "hang"),
        ({"living": (1,)}, "process left"),
        ({"number": signal.SIGKILL, "living": (1,)}, "process left"),
        ({"status": -15}, "wrong status"),
        ({"printed": "stopped"}, "no word on how to go on"),
        ({"printed": "stopped, goes on\nTraceback (most recent call last):"}, "traceback"),
    ],
)
def test_faults_are_seen(tmp_path: Path, change: dict[str, object], fault: str | None) -> None:
    found = _faults_of(replace(STOP, **change), STARTS_AGAIN, tmp_path)
    assert [kind for kind, _ in found] == ([] if fault is None else [fault])
    assert fault is None or fault in FAULTS


def test_left_files_are_seen(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for name in (".evoloss.lock", "runs/.0.lock", "a.tmp", "results.json", "runs/0.json"):
        (tmp_path / name).touch()
    assert left_files(tmp_path) == [".evoloss.lock", "a.tmp", "runs/.0.lock"]
    assert [kind for kind, _ in _faults_of(STOP, STARTS_AGAIN, tmp_path)] == ["file left"]


def test_a_changed_value_is_seen_and_a_clock_is_not(tmp_path: Path) -> None:
    def leave(name: str, *, seconds: float = 1.0, accuracy: float = 0.5, weight: float = 1.0) -> Path:
        out = tmp_path / name
        (out / "runs").mkdir(parents=True)
        row = {"result": [{"accuracy": accuracy, "train_seconds": seconds}], "sha256": f"{seconds}"}
        (out / "runs" / "0.json").write_text(json.dumps(row))
        (out / "history.jsonl").write_text(json.dumps({"seconds": seconds, "fitness": weight}) + "\n")
        metadata = {"seconds": f"{seconds}", "generation": "3"}
        (out / "loss.safetensors").write_bytes(
            safetensors.torch.save({"params": torch.tensor([weight])}, metadata)
        )
        (out / "README.md").write_text(f"# {accuracy}\n")
        return out

    one = content(leave("one"))
    assert one == content(leave("later", seconds=2.0))
    different = content(leave("different", accuracy=0.6))
    assert {name for name in one if one[name] != different[name]} == {"runs/0.json", "README.md"}
    different = content(leave("heavier", weight=1.5))
    assert {name for name in one if one[name] != different[name]} == {"history.jsonl", "loss.safetensors"}


def test_processes_are_found_by_their_mark_and_so_are_their_children() -> None:
    code = "import subprocess, sys; subprocess.run(['sleep', '600'])"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, killed_commands._MARK: "here"},
        start_new_session=True,
    )
    assert wait_for(lambda: len(processes_of("here")) == 2)
    process.kill()
    process.wait()
    (child,) = processes_of("here")
    assert processes_of("elsewhere") == []
    os.kill(child, signal.SIGKILL)
    assert wait_for(lambda: not processes_of("here"))


def test_a_command_that_fails_undisturbed_is_told() -> None:
    with pytest.raises(RuntimeError, match="broken fails undisturbed"):
        run([KillableCommand("broken", ("compare", "--no-such-option"))], 1)


def test_the_document_counts_every_trial() -> None:
    counts = {"a": Counts(trials=2, identical=1), "b": Counts(trials=1)}
    counts["a"].blame("hang", 1, "x" * 1000)
    found = document(counts, 3, 0, 1.5)
    assert found["identical"] == 1
    assert found["faults"]["hang"] == 1
    assert len(found["commands"]["a"]["examples"]["hang"][0]) < 700


def test_commands_that_are_not_tried_again_keep_their_counts() -> None:
    def counted(name: str, *, stops: int, faults: int) -> dict[str, Counts]:
        counts = Counts(trials=2, identical=2 - faults, stops=Counter({"SIGINT, working": stops}))
        for _ in range(faults):
            counts.blame("hang", 0, "still there")
        return {name: counts}

    before = document(counted("pretrain", stops=3, faults=1) | counted("evolve", stops=1, faults=0), 4, 0, 10)
    found = put_in(before, document(counted("evolve", stops=4, faults=1), 2, 1, 5))
    assert list(found["commands"]) == ["pretrain", "evolve"], "in the order of the campaign"
    assert (found["trials"], found["stops"], found["identical"], found["faults"]["hang"]) == (4, 7, 2, 2)
    assert found["commands"]["pretrain"] == before["commands"]["pretrain"]
    assert found["seconds"] == 15
