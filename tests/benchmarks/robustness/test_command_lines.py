"""Command lines: how they are drawn and judged, a small campaign, and the committed counts."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks.robustness import command_lines
from benchmarks.robustness.campaign import LINE_OUTCOMES, RESULTS, run_here
from benchmarks.robustness.command_grammar import BASES, EVOLVE_BASES, Line, draw_line
from benchmarks.robustness.command_lines import PROCESS_EVERY, CommandLineCampaign, Ended, judge
from evoloss.cli import COMMANDS
from evoloss.cli.compare import CompareCommand
from evoloss.cli.pretrain import PretrainCommand


def test_lines_are_drawn_from_their_seed_and_come_to_every_command_and_option() -> None:
    drawn = [draw_line(random.Random(seed)) for seed in range(6000)]
    assert drawn[:100] == [draw_line(random.Random(seed)) for seed in range(100)]
    assert {line.what.split(":")[0] for line in drawn} == set(BASES) == set(COMMANDS) - set(EVOLVE_BASES)
    named = {argument.split("=")[0] for line in drawn for argument in line.arguments}
    for command in (PretrainCommand, CompareCommand):
        for entry in fields(command):
            option = "--" + entry.name.replace("_", "-")
            assert any(name == option or name.startswith(f"{option}.") for name in named), option
    assert {"99999999", "1e308", "nan", "", "~nouser-here", "x[/x]y", "fifo", "damaged.npz"} <= named
    assert "ray" not in {argument for line in drawn for argument in line.arguments}


@pytest.mark.parametrize(
    ("status", "error", "changed", "outcome"),
    [
        (0, "", True, "done"),
        (0, "a warning\n", False, "done"),
        (2, "evoloss: error: no loss 'x'\n", False, "refused"),
        (2, "evoloss: error: no loss 'x'\n", True, "late"),
        (2, "evoloss: error: no\nloss 'x'\n", False, "unclear"),
        (2, "a warning\nevoloss: error: no loss\n", False, "unclear"),
        (2, "evoloss: error: \x1b[2J\n", False, "unclear"),
        (2, "", False, "unclear"),
        (1, "evoloss: error: no loss 'x'\n", False, "unclear"),
        (2, "╭─ Parsing error ─╮\n│ x │\n", False, "usage"),
        (2, "╭─ Parsing error ─╮\n│ x │\n", True, "late"),
        (1, "Traceback (most recent call last):\nKeyError: 1\n", False, "traceback"),
        (-signal.SIGSEGV, "", False, "crash"),
        (130, "evoloss: interrupted\n", False, "unclear"),
    ],
)
def test_how_a_line_is_judged(status: int, error: str, changed: bool, outcome: str) -> None:
    assert judge(Ended(status, error), changed=changed) == outcome


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        (130, "evoloss: interrupted\n", "stopped"),
        (130, "", "stopped"),
        (130, "a\nb\n", "unclear"),
        (-signal.SIGINT, "", "stopped"),
        (1, 'Traceback:\n  File "site.py"\nKeyboardInterrupt\n', "stopped"),
        (-2, "Exception ignored in: <function _removeHandlerRef>\nKeyboardInterrupt: \n", "stopped"),
        (1, 'Traceback:\n  File "evoloss/cli/x.py"\nKeyboardInterrupt\n', "traceback"),
        (1, "Traceback (most recent call last):\nImportError\n", "traceback"),
    ],
)
def test_how_an_interrupted_line_is_judged(status: int, error: str, outcome: str) -> None:
    assert judge(Ended(status, error, interrupted=True), changed=True) == outcome


@pytest.mark.parametrize("lines", [15, pytest.param(60, marks=pytest.mark.slow)])
def test_a_small_campaign_ends_without_a_traceback(lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_lines, "WORK_SECONDS", 2.0)
    first = 1_000_001
    seeds = [seed for seed in range(first, first + lines) if seed % PROCESS_EVERY]
    before = (Path.cwd(), dict(os.environ), signal.getsignal(signal.SIGALRM), sys.stderr)
    counts = run_here(CommandLineCampaign(), seeds)
    assert (Path.cwd(), dict(os.environ), signal.getsignal(signal.SIGALRM), sys.stderr) == before
    assert not counts.bad, counts.examples
    assert counts.outcomes["done"] > lines / 8
    assert counts.outcomes["refused"] > lines / 8
    assert counts.outcomes["usage"] > 0


def test_a_process_is_a_line_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    class Draw(random.Random):
        moments = iter((0.9, 0.1, 0.3))  # not interrupted; then interrupted after 0.3 s or so

        def random(self) -> float:
            return next(self.moments)

    ended = command_lines._run_process(Line(("inspect", "x[/x]y"), "inspect"), Draw())
    assert (ended.status, ended.interrupted) == (2, False)
    assert judge(ended, changed=False) == "refused"
    interrupted = command_lines._run_process(Line(("inspect", "gce"), "inspect"), Draw())
    assert interrupted.interrupted
    assert judge(interrupted, changed=False) == "stopped"


def test_the_committed_lines_ended_well() -> None:
    found = json.loads((RESULTS / "command_lines.json").read_text(encoding="utf-8"))
    assert found["trials"] >= 3000
    assert list(found["outcomes"]) == list(LINE_OUTCOMES)
    assert sum(found["outcomes"].values()) == found["trials"]
    assert sum(sum(each.values()) for each in found["inputs"].values()) == found["trials"]
    assert {name: found["outcomes"][name] for name in LINE_OUTCOMES[4:]} == dict.fromkeys(
        LINE_OUTCOMES[4:], 0
    )
    for command in BASES:
        assert any(what.startswith(f"{command}:") for what in found["inputs"])
