"""A directory holds one run at a time; whoever comes second is refused, and nothing is lost."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from evoloss.cli import main
from evoloss.directory_lock import hold_directory
from evoloss.errors import InUseError
from evoloss.pretraining import GenerationRecord, pretrain
from tests.pretraining.runs import same_files, tiny
from tests.processes import killed, start, wait_for


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_run_is_refused_and_the_first_is_not_disturbed(tmp_path: Path, resume: bool):
    config, refused = tiny(), []

    def come_second(record: GenerationRecord) -> None:
        if record.generation in (1, 5):
            with pytest.raises(
                InUseError, match=f"process {os.getpid()} .*choose another directory"
            ) as caught:
                pretrain(replace(config, seed=1), out=tmp_path / "run", resume=resume)
            refused.append(caught.value)

    pretrain(config, out=tmp_path / "run", on_generation=come_second)
    assert len(refused) == 2
    pretrain(config, out=tmp_path / "straight")
    assert same_files(tmp_path / "run", tmp_path / "straight")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted(
        path.name for path in (tmp_path / "straight").iterdir()
    )


def test_the_command_says_so_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "run [red]"
    with hold_directory(out, "pretrain"):
        assert main(["pretrain", "--out", str(out), "--generations", "1"]) == 2
        assert {path.name for path in out.iterdir()} == {".evoloss.lock"}
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert f"evoloss: error: {out} is in use by process {os.getpid()} (pretrain)" in printed.err


def test_resumed_twice_then_killed_nothing_is_lost(tmp_path: Path):
    """Both wrote the same files; three of six runs could not be resumed afterwards."""
    out, config = tmp_path / "run", tiny(generations=40)
    pretrain(replace(config, generations=6), out=out)
    (tmp_path / "long.toml").write_text(replace(config, generations=1_000_000).to_toml())
    command = ["-m", "evoloss", "pretrain", "--out", out, "--config", tmp_path / "long.toml", "--resume"]
    with start(command) as first:
        assert wait_for(lambda: (out / "history.jsonl").read_bytes().count(b"\n") > 7)
        first.send_signal(signal.SIGSTOP)  # it keeps the directory, and gets no further
        with start(command) as second:
            printed, _ = second.communicate()
        assert second.returncode == 2
        assert f"in use by process {first.pid} (pretrain)" in printed
        killed(first)
    saved = (out / "history.jsonl").read_bytes().count(b"\n")
    config = replace(config, generations=saved + 20)
    pretrain(config, out=out, resume=True)
    pretrain(config, out=tmp_path / "straight")
    assert same_files(out, tmp_path / "straight")
    assert not list(out.glob(".*"))
