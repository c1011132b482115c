"""The study of the other presets: its commands, its table, and what was committed of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evolve import presets as study
from benchmarks.evolve.presets import (
    BEGIN,
    END,
    FIRST_SEED,
    OUT,
    README,
    REGIMES,
    PresetStudy,
    comparison,
    comparison_folder,
    evolution,
    main,
    own_folder,
    table,
)
from evoloss.compare.results import FILE_NAME, Results
from evoloss.errors import UnknownNameError
from evoloss.evolve import EvolveConfig
from evoloss.evolve.journal import Head, Journal
from evoloss.evolve.presets import PRESETS


def test_every_other_preset_has_a_condition_that_its_command_accepts() -> None:
    assert set(REGIMES) == set(PRESETS) - {"noise"}
    for name, regime in REGIMES.items():
        config = EvolveConfig.from_dict({"purpose": name, **regime.known}, "the study")
        assert config.regime().classes == (10, 10)
        assert regime.losses[-1] == PRESETS[regime.purpose].recommended


def test_a_search_goes_on_until_it_has_ended(tmp_path: Path) -> None:
    settings = PresetStudy(out=tmp_path, size="2m", budget="7m")
    first = evolution(settings, "clean")
    assert first is not None
    assert first[first.index("--budget") + 1] == "2m"
    folder = own_folder(settings, "clean")
    folder.mkdir()
    (folder / "checkpoint.safetensors").touch()
    later = evolution(settings, "clean")
    assert later is not None
    assert later[-1] == "--resume"
    assert later[later.index("--budget") + 1] == "7m"
    journal = Journal(folder)
    journal.begin(Head(3, 420.0, 300.0, 4.0))
    assert evolution(settings, "clean") is not None
    journal.end(400.0)
    assert evolution(settings, "clean") is None


def test_a_comparison_has_fresh_seeds_and_the_default_rate() -> None:
    words = comparison(PresetStudy(), "memorisation")
    assert words[words.index("--seeds") + 1 :] == [str(FIRST_SEED + seed) for seed in range(10)]
    assert words[words.index("--label-noise") + 1] == "0.4"
    assert not {"--lr", "--lr-grid", "--tune-lr"} & set(words)


def test_commands_are_run_in_turn_and_a_failure_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def record(arguments: list[str], **options: Any) -> int:
        ran.append(arguments[3])
        return 3 if len(ran) == 3 else 0

    page = tmp_path / "README.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    monkeypatch.setattr(study, "run_command", record)
    monkeypatch.setattr(study, "README", page)
    assert main(PresetStudy(out=tmp_path)) == 3
    assert ran == ["evolve", "compare", "evolve"]
    assert "old" in page.read_text()
    assert main(PresetStudy(out=tmp_path, write=True)) == 0
    assert len(ran) == 3
    assert page.read_text().count("not run yet") == 5 * len(REGIMES)
    with pytest.raises(UnknownNameError, match="noise"):
        main(PresetStudy(out=tmp_path, only=("noise",)))
    used = json.loads((tmp_path / study.USED).read_text())
    assert set(used) == {"few-samples", "clean"}


def test_the_table_is_that_of_the_results() -> None:
    lines = "\n".join(table(PresetStudy()))
    assert f"{BEGIN}\n\n{lines}\n\n{END}" in README.read_text()


@pytest.mark.parametrize("name", REGIMES)
def test_committed_results_can_be_read(name: str) -> None:
    folder = comparison_folder(PresetStudy(), name)
    if not (folder / FILE_NAME).exists():
        pytest.skip("not run yet")
    results = Results.read(folder)
    assert results.complete
    assert results.config["seeds"] == list(range(FIRST_SEED, FIRST_SEED + 10))
    assert {Path(loss).name for loss in results.config["losses"]} == {
        *REGIMES[name].losses,
        f"own-{name}",
    }
    own = json.loads((OUT / f"own-{name}" / "summary.json").read_text())["evolve"]
    assert own["regime"]["purpose"] == name
