"""Small campaigns in this process, and what was committed of the large ones."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.robustness import campaign as harness
from benchmarks.robustness.artefacts import ArtefactCampaign
from benchmarks.robustness.campaign import OUTCOMES, RESULTS, Campaign, Damage, run, run_here
from benchmarks.robustness.data_files import DataFileCampaign
from benchmarks.robustness.mutations import damage_bytes, damage_json
from benchmarks.robustness.run_files import RunFileCampaign
from evoloss.errors import ArtefactError

CAMPAIGNS: dict[str, Campaign] = {
    item.name: item for item in (ArtefactCampaign(), RunFileCampaign(), DataFileCampaign())
}


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_no_damaged_file_ends_in_a_traceback(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOLOSS_CACHE_DIR", "off")
    trials = {"artefacts": 40, "run_files": 60, "data_files": 120}[name]
    counts = run_here(CAMPAIGNS[name], range(1_000_000, 1_000_000 + trials))
    assert not counts.bad, counts.examples
    assert counts.outcomes["refused"] > trials / 4
    assert counts.outcomes["read"] > 2
    if name == "artefacts":  # a loss that was accepted and cannot be used
        assert not counts.outcomes["changed"]
    for what, found in counts.inputs.items():
        if name == "run_files" and "of a run" in what and "without checksum" not in what:
            assert not found["changed"], what


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_the_committed_campaign_ended_without_traceback_hang_or_bomb(name: str) -> None:
    found = json.loads((RESULTS / f"{name}.json").read_text())
    assert found["schema"] == 1
    assert found["campaign"] == name
    assert found["trials"] >= 3000
    assert list(found["outcomes"]) == list(OUTCOMES)
    assert sum(found["outcomes"].values()) == found["trials"]
    assert sum(sum(counts.values()) for counts in found["inputs"].values()) == found["trials"]
    assert {
        outcome: found["outcomes"][outcome]
        for outcome in OUTCOMES
        if outcome not in ("read", "changed", "refused")
    } == {outcome: 0 for outcome in ("unclear", "traceback", "crash", "hang", "memory")}


class Pretended(Campaign):
    """Ends as its seed says."""

    name = "pretended"

    def prepare(self, folder: Path) -> None:
        (folder / "prepared").touch()

    def trial(self, seed: int, prepared: Path, folder: Path) -> tuple[str, str]:
        assert (prepared / "prepared").exists()
        assert not any(folder.iterdir())
        (folder / "litter").touch()
        if seed == 0:
            return "a", "read"
        if seed == 1:
            time.sleep(600)
        if seed == 2:
            os._exit(3)
        if seed == 3:
            bytearray(900_000_000)[::4096] = b"x" * len(range(0, 900_000_000, 4096))
            return "b", "read"
        errors = {
            4: ArtefactError(f"{folder} is bad"),
            5: ArtefactError("something is bad"),
            6: ArtefactError(f"{folder} is\nbad"),
            7: KeyError("x"),
            8: MemoryError(),
        }
        try:
            raise errors[seed]
        except Exception as error:
            raise Damage("c") from error


@pytest.mark.slow
def test_every_way_to_end_is_told_and_the_campaign_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "SECONDS", 20.0)  # what grows by 900 MB may take 3 on a busy machine
    counts = run(Pretended(), range(9))
    assert dict(counts.outcomes) == {
        **{"read": 1, "hang": 1, "crash": 1, "memory": 2, "refused": 1, "unclear": 2, "traceback": 1}
    }
    assert counts.bad == 7
    assert [(seed, what) for seed, what, _ in counts.examples["memory"]] == [(3, "b"), (8, "c")]
    assert "KeyError: 'x'" in counts.examples["traceback"][0][2]


def test_mutations_are_drawn_from_their_seed_and_change_something() -> None:
    content, value = bytes(range(200)), {"a": [1, {"b": "text"}], "c": 0.5, "d": True}
    for damage, original in ((damage_bytes, content), (damage_json, value)):
        made = [damage(original, random.Random(seed)) for seed in range(300)]
        assert [repr(value) for value in made] == [
            repr(damage(original, random.Random(seed))) for seed in range(300)
        ]
        assert sum(repr(value) != repr(original) for value in made) > 250
        assert len({repr(value) for value in made}) > 150
    deep = [damage_json(value, random.Random(seed)) for seed in range(3000)]
    assert all(json.dumps(value) for value in deep), "what is damaged can be written"
    assert value == {"a": [1, {"b": "text"}], "c": 0.5, "d": True}


def test_a_campaign_goes_on_with_its_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def outcomes(campaign: Campaign, seeds: range, place: Path) -> Iterator[tuple[int, str, str, str]]:
        for seed in seeds:
            tried.append(seed)
            yield seed, "a", "crash" if seed == 11 else "read", "gone"

    monkeypatch.setattr(harness, "_outcomes", outcomes)
    out = tmp_path / "counts.json"
    for trials, options in ((3, ()), (5, ("--resume",))):
        arguments = ["x", "--first", "10", "--trials", str(trials), "--out", str(out), *options]
        monkeypatch.setattr("sys.argv", arguments)
        harness.main(Pretended(), 100)
    assert tried == [10, 11, 12, 13, 14]
    found = json.loads(out.read_text())
    assert (found["trials"], found["first_seed"]) == (5, 10)
    assert found["inputs"] == {"a": {"read": 4, "crash": 1}}
    assert found["examples"] == {"crash": [[11, "a", "gone"]]}
    monkeypatch.setattr("sys.argv", ["x", "--first", "9", "--out", str(out), "--resume"])
    with pytest.raises(SystemExit):
        harness.main(Pretended(), 100)
