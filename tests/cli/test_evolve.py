from __future__ import annotations

import errno
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.robustness.evolving.small_evolve import WorkClock, small_and_counted
from evoloss import EvolvedLoss
from evoloss.cli import main
from evoloss.cli.evolve import EvolveCommand
from evoloss.cli.evolve_display import _Live, display, sparkline, status
from evoloss.cli.terminal import Terminal
from evoloss.evolve.progress import Gain, Progress
from tests.evolve.small import small_priors


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_priors(monkeypatch)
    scale = {"groups": 2, "tasks": 1, "popsize": 6, "eval_groups": 2, "elites": 1}
    monkeypatch.setattr("evoloss.evolve.budget.SCALES", (scale,))
    monkeypatch.setattr("evoloss.evolve.fresh.MOST_VERDICT", 8)
    monkeypatch.setattr("evoloss.evolve.fresh.FEWEST_VERDICT", 6)


def test_help_lists_every_setting_and_purpose(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["evolve", "--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    for field in fields(EvolveCommand):
        assert f"--{'for' if field.name == 'purpose' else field.name.replace('_', '-')}" in printed
    assert "{noise,clean,few-samples,memorisation}" in printed


MISTAKES: dict[str, tuple[list[str], str]] = {
    "no purpose": ([], "--for"),
    "unknown purpose": (["--for", "nois"], "noise"),
    "percent": (["--for", "noise", "--noise", "40"], "a share is 0.2, not 20"),
    "budget without a unit": (["--for", "noise", "--budget", "10"], "--budget must be a time such as 10m"),
    "clean and noise": (["--for", "clean", "--noise", "0.2"], "leave --noise out, or say --for noise"),
    "no such data": (["--for", "noise", "--like", "none.csv"], "none.csv is not a file that can be read"),
    "target without data": (["--for", "noise", "--target", "y"], "give --like too"),
    "columns without data": (["--for", "noise", "--ignore-columns", "a"], "give --like too"),
    "columns of no table": (["--for", "noise", "--like", "digits", "--ignore-columns", "a"], "is no table"),
    "no time for the files": (["--for", "noise", "--budget", "1s"], "a budget of 1 s is too short for these"),
    "nothing to resume": (["--for", "noise", "--resume"], "nothing to resume in out"),
    "workers": (["--for", "noise", "--workers", "4"], "the serial executor has one worker"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_explained_in_a_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, text = MISTAKES[name]
    try:
        code: Any = main(["evolve", "--out", "out", *arguments])
    except SystemExit as stopped:  # mistakes that the parser of the command line finds
        code = stopped.code
    printed = capsys.readouterr()
    assert code == 2
    assert text in printed.err
    assert "Traceback" not in printed.err


def test_like_a_data_set_from_the_first_line_to_the_verdict(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "wines.csv"
    rows = [f"{n},{n % 7},{n * 31 % 17},{('red', 'white', 'rose')[n % 3]}" for n in range(60)]
    table.write_text("bottle,a,b,kind\n" + "\n".join(rows) + "\n")
    out = tmp_path / "mine"
    like = ["--like", str(table), "--target", "kind", "--ignore-columns", "bottle", "--samples", "20-30"]
    assert main(["evolve", "--for", "noise", *like, "--budget", "8s", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "Read of wines.csv: 43 training samples in 3 classes" in printed
    assert "of 14 to 15, 2 features;" in " ".join(printed.split())
    assert f"{shlex.quote(str(table))} --target kind --ignore-columns bottle --losses" in printed
    assert "--samples is given and wins over what was read." in printed
    assert "No --noise: 15 to 75 % of the labels are wrong in the tasks." in printed
    assert "points over cross-entropy on held-out tasks" in printed
    assert " left" in printed
    assert "orth it" in printed
    assert "The best temperature" in printed
    for picture in ("evolution", "verdict", "loss_curve", "gradient_profile"):
        assert (out / f"{picture}.png").stat().st_size > 5000
    card = (out / "README.md").read_text()
    assert "Of the data set wines.csv its shape was read" in card
    assert "of a data set only the shape was read" in card
    for word in ("red", "white", "rose"):
        assert f" {word} " not in card
    assert EvolvedLoss.from_pretrained(out)(torch.zeros(2, 3), torch.tensor([0, 2])).isfinite()
    again = next(line for line in printed.splitlines() if "evoloss pretrain --config" in line)
    assert shlex.quote(str(out / "pretrain.toml")) in again


ARGUMENTS = ["--for", "noise", "--classes", "3", "--budget", "19s", "--seed", "3"]


@pytest.fixture
def clock() -> Iterator[WorkClock]:
    """Tiny tasks, and a double of the time that counts work."""
    clock = WorkClock()
    with small_and_counted(clock):
        yield clock


def stop_at(clock: WorkClock, label: str, group: int) -> None:
    """Interrupt the work when it comes to a group of tasks."""

    def stop(name: str, number: int) -> None:
        if (name, number) == (label, group):
            clock.before = lambda name, number: None
            raise KeyboardInterrupt

    clock.before = stop


def test_stopped_in_its_search_it_says_how_to_go_on_and_does(
    clock: WorkClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    stop_at(clock, "stop", 0)  # the first look at held-out tasks, in generation 2
    assert main(["evolve", *ARGUMENTS, "--out", str(out)]) == 130
    printed = capsys.readouterr().out
    hint = f"evoloss evolve --out {shlex.quote(str(out))} --resume"
    assert f"the last complete generation is saved. To go on:\n  {hint}\n" in printed
    assert main(["evolve", *ARGUMENTS, "--out", str(out)]) == 2
    assert "go on with it (--resume)" in capsys.readouterr().err
    assert main([*shlex.split(hint)[1:], "--budget", "1s"]) == 2, "files alone take longer"
    assert "too short to end the run" in capsys.readouterr().err
    assert main(shlex.split(hint)[1:]) == 0
    assert "orth it" in capsys.readouterr().out


def test_stopped_in_its_judging_it_goes_on_there_and_ends_once(
    clock: WorkClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    stop_at(clock, "fresh", 5)
    assert main(["evolve", *ARGUMENTS, "--out", str(out)]) == 130
    printed = capsys.readouterr().out
    hint = f"evoloss evolve --out {shlex.quote(str(out))} --resume"
    assert f"what was judged so far is saved. To go on:\n  {hint}\n" in printed
    clock.now, clock.worked = 0.0, []
    assert main(shlex.split(hint)[1:]) == 0
    printed = capsys.readouterr().out
    assert "its judging goes on where it was, groups of fresh tasks done: 5." in printed
    assert "timing" not in printed
    assert clock.worked[0] == ("fresh", 5)
    verdict = next(line for line in printed.splitlines() if "orth it" in line)
    clock.worked.clear()
    (out / "verdict.png").unlink()
    assert main([*shlex.split(hint)[1:], "--budget", "2s"]) == 0
    printed = capsys.readouterr().out
    assert "has ended, with generation" in printed
    assert "nothing is searched or judged again. To search on, give a larger budget:" in printed
    assert f"  {hint} --budget TIME\n" in printed
    assert "of 19 s. The same search again" in printed
    assert verdict in printed
    assert clock.worked == []
    assert (out / "verdict.png").exists(), "figures are drawn again"


@pytest.mark.parametrize("columns", ["20", "400"])
def test_any_width_does_and_lines_to_copy_are_whole(
    clock: WorkClock,
    columns: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.chdir(tmp_path)
    assert main(["evolve", *ARGUMENTS, "--out", "mine"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  evoloss compare --dataset DATA --losses cross_entropy gce mine --model mlp --out trial" in lines
    assert any(line.endswith("evoloss pretrain --config mine/pretrain.toml --out again") for line in lines)
    assert any(line.startswith(("Worth it", "Not worth it")) for line in lines)
    own = [line for line in lines if ("this loss" in line and "%" in line) or "evolved-noise-strong" in line]
    assert not any("…" in line for line in lines)
    assert any(line.startswith("evolved-noise-strong: ") for line in own) == (columns == "20")


def test_without_unicode_nothing_is_escaped(
    clock: WorkClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setenv("COLUMNS", "100")
    with io.TextIOWrapper(written, encoding="ascii", errors="backslashreplace") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        assert main(["evolve", *ARGUMENTS, "--out", str(tmp_path / "mine")]) == 0
        stream.flush()
        text = written.getvalue().decode("ascii")
    assert "+- " in text
    assert "\\x" not in text
    assert "\\u" not in text


@pytest.mark.parametrize("name", ["judging.jsonl", "summary.json", "verdict.png", "checkpoint.safetensors"])
def test_a_full_disk_is_one_line_and_the_run_goes_on_afterwards(
    clock: WorkClock,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, replace, full = tmp_path / "mine", os.replace, [True]

    def double(source: Path, target: Path) -> None:
        if full[0] and Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", double)
    assert main(["evolve", *ARGUMENTS, "--out", str(out)]) == 2
    printed = capsys.readouterr()
    assert printed.err == f"evoloss: error: No space left on device: {out / name}\n"
    assert not [path for path in out.iterdir() if path.name.startswith(".")], "nothing half-written is left"
    full[0] = False
    more = ["--resume"] if (out / "checkpoint.safetensors").exists() else []
    assert main(["evolve", *ARGUMENTS, "--out", str(out), *more]) == 0
    assert "orth it" in capsys.readouterr().out
    assert (out / "verdict.png").exists()


def test_a_line_of_status_says_what_where_and_how_long() -> None:
    progress = Progress(600.0, stage="searching", generation_seconds=14.0)
    first = status(progress)
    assert "generation 1 (about 14 s each)" in first
    assert "10 min left" in first
    progress.generation, progress.candidates, progress.rejected = 4, 96, 12
    progress.gains = [Gain(2, 3.0, 1.0), Gain(4, 6.0, 0.8)]
    later = status(progress, unicode=False)
    assert "+6.0 +- 0.8 points over cross-entropy on held-out tasks" in later
    assert "+6.0 ± 0.8 points" in status(progress)
    assert "12 % of candidates rejected" in later
    progress.began -= 700
    assert "1 min 40 s over the budget" in status(progress)


def test_a_sparkline_shows_the_latest_and_what_is_below_0() -> None:
    assert sparkline([0.0, 2.0, 4.0]) == "▁▅█"
    assert sparkline([-1.0, 0.0, 1.0]) == "▁▅█"
    assert sparkline([2.0, 2.0], unicode=False) == "@@"
    assert len(sparkline([1.0] * 100)) == 40


def test_a_terminal_is_drawn_again_as_the_clock_goes_on() -> None:
    console = Terminal(file=io.StringIO(), force_terminal=True, width=100)
    progress = Progress(600.0, stage="judging", groups=(8, 32))
    live = _Live(console)
    live.update(progress)
    before = [str(cell) for cell in live.renderable().columns[0].cells]
    progress.began -= 60
    after = [str(cell) for cell in live.renderable().columns[0].cells]
    assert before[-1] == "10 min left"
    assert after[-1] == "9 min left"
    assert "8 groups done" in after[0]
    with display(console) as show:
        show(progress)
    assert "fresh tasks" in console.file.getvalue()  # type: ignore[attr-defined]


SMALL = f"{sys.executable} -m benchmarks.robustness.evolving.small_evolve"
LINE = f"{SMALL} evolve {shlex.join(ARGUMENTS)} --out mine"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirection", "status"),
    [
        ("| head -1", "141"),
        ("| head -8", "141"),
        (">&-", "0"),
        ("</dev/null >/dev/null", "0"),
        (">/dev/full", "evoloss: error: No space left on device\n2"),
    ],
)
def test_a_process_with_any_output_leaves_a_run_that_goes_on(
    tmp_path: Path, redirection: str, status: str
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100"}

    def shell(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    ended = shell(f"( {LINE}; echo $? >&2 ) {redirection}")
    assert ended.stderr == f"{status}\n"
    if (tmp_path / "mine" / "checkpoint.safetensors").exists():
        again = shell(f"{LINE} --resume")
        assert (again.returncode, again.stderr) == (0, "")
        assert ("has ended, with generation" in again.stdout) == (status == "0")
