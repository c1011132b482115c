from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.evolve import run as study
from benchmarks.evolve.run import BATCH, FEATURES, OUT, EvolveStudy, comparison, main, write_data
from evoloss.cli.evolve import EvolveCommand
from evoloss.compare.results import FILE_NAME, Results
from evoloss.data import load_dataset


def test_the_digits_are_split_by_class(tmp_path: Path) -> None:
    write_data("digits-389", tmp_path / "digits-389.npz")
    with np.load(tmp_path / "digits-389.npz") as arrays:
        assert (len(arrays["x_train"]), len(arrays["x_test"])) == (402, 135)
        assert np.bincount(arrays["y_test"]).min() >= 43
        assert arrays["x_train"].max() == 255
    assert load_dataset(str(tmp_path / "digits-389.npz")).input_shape == (1, 8, 8)


def test_losses_are_evolved_once_and_compared_on_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def record(arguments: list[str], **options: Any) -> int:
        commands.append(arguments[3:])
        if arguments[3] == "evolve":
            folder = Path(arguments[arguments.index("--out") + 1])
            folder.mkdir()
            (folder / "verdict.png").write_bytes(b"")
        return 0

    monkeypatch.setattr(study, "run_command", record)
    settings = EvolveStudy(out=tmp_path, data=tmp_path / "data")
    (tmp_path / "data").mkdir()
    assert main(settings) == main(settings) == 0
    assert [words[0] for words in commands] == ["evolve"] * 2 + ["compare"] * 4
    assert {words[words.index("--features") + 1] for words in commands[:2]} == set(FEATURES.values())
    EvolveCommand(purpose="noise", classes="3", samples="100-400", noise="0.2-0.5", out=tmp_path)


def test_tuned_comparisons_have_a_folder_of_their_own() -> None:
    fixed, tuned = (comparison(EvolveStudy(tuned=tuned), "wine") for tuned in (False, True))
    assert "--lr-grid" in tuned
    assert "--lr-grid" not in fixed
    assert fixed[fixed.index("--out") + 1] != tuned[tuned.index("--out") + 1]


@pytest.mark.parametrize("name", BATCH)
def test_committed_results_can_be_read(name: str) -> None:
    if not (OUT / name / FILE_NAME).exists():
        pytest.skip("not run yet")
    results = Results.read(OUT / name)
    assert len(results.config["seeds"]) == 10
    evolved = [loss for loss in results.config["losses"] if Path(loss).name in FEATURES]
    assert evolved
    for loss in FEATURES:
        if (OUT / loss / "summary.json").exists():
            summary = json.loads((OUT / loss / "summary.json").read_text())
            assert summary["evolve"]["regime"]["noise"] == [0.2, 0.5]
