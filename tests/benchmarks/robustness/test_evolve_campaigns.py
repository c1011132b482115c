"""The campaigns of ``evolve``: small ones, and what was committed of the large ones."""

from __future__ import annotations

import json
import random
from dataclasses import fields

import pytest

from benchmarks.robustness import command_lines
from benchmarks.robustness.campaign import GOOD, LINE_OUTCOMES, OUTCOMES, RESULTS, run_here
from benchmarks.robustness.evolving.evolve_lines import EvolveLineCampaign
from benchmarks.robustness.evolving.judgings import JudgingCampaign
from evoloss.cli.evolve import EvolveCommand


def test_lines_come_to_every_option() -> None:
    campaign = EvolveLineCampaign()
    named = {
        argument.split("=")[0]
        for seed in range(2000)
        for argument in campaign.draw(random.Random(seed)).arguments
    }
    for entry in fields(EvolveCommand):
        assert f"--{'for' if entry.name == 'purpose' else entry.name.replace('_', '-')}" in named
    assert {"1e9h", "0.5-0.2", "Images", "fifo", "\x1b[2J"} <= named


@pytest.mark.parametrize("lines", [8, pytest.param(40, marks=pytest.mark.slow)])
def test_a_small_campaign_of_lines_ends_well(lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_lines, "WORK_SECONDS", 2.0)
    counts = run_here(EvolveLineCampaign(), range(1_000_001, 1_000_001 + lines))
    assert not counts.bad, counts.examples
    assert counts.outcomes["refused"] + counts.outcomes["usage"] > lines / 4


def test_damaged_records_are_refused_or_less_is_read() -> None:
    counts = run_here(JudgingCampaign(), range(1_000_000, 1_000_300))
    assert not counts.bad, counts.examples
    assert not counts.outcomes["changed"], counts.inputs
    assert counts.outcomes["read"] > 30
    assert counts.outcomes["refused"] > 30


@pytest.mark.parametrize(
    ("name", "trials", "outcomes"),
    [("evolve_lines", 100, LINE_OUTCOMES), ("judgings", 5000, OUTCOMES)],
)
def test_the_committed_campaigns_ended_well(name: str, trials: int, outcomes: tuple[str, ...]) -> None:
    path = RESULTS / f"{name}.json"
    if not path.exists():
        pytest.skip("not run yet")
    found = json.loads(path.read_text())
    assert found["trials"] >= trials
    assert list(found["outcomes"]) == list(outcomes)
    bad = {one: found["outcomes"][one] for one in outcomes if one not in GOOD or one == "changed"}
    assert bad == dict.fromkeys(bad, 0)
