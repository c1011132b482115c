from __future__ import annotations

import json
from pathlib import Path

import pytest

from evoloss.cli import main

SMALL = ["generations=8", "eval_every=4", "popsize=8", "pairs=16", "classes=[3]", "eval_pairs=32"]


def test_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    command = ["ablate", "--out", str(out), "--vary", "mutation=gaussian,chaotic", "--vary", "sigma=0.1,0.3"]
    command += ["--variant", "twin: mutation=chaotic chaos_order=independent", "--seeds", "0", "1", "--quiet"]
    command += ["--contrast", "mutation=chaotic sigma=0.3:twin", "--fixed", *SMALL, "--target", "0.7"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "mutation=gaussian sigma=0.1" in printed
    assert "final consistency" in printed
    document = json.loads((out / "ablation.json").read_text())
    assert list(document["variants"]) == [
        "mutation=gaussian sigma=0.1",
        "mutation=gaussian sigma=0.3",
        "mutation=chaotic sigma=0.1",
        "mutation=chaotic sigma=0.3",
        "twin",
    ]
    assert len(document["runs"]) == 10
    assert (document["base"]["popsize"], document["target"]) == (8, 0.7)
    assert document["comparisons"][-1]["reference"] == "twin"
    assert (out / "convergence.png").is_file()
    assert (out / "differences.png").is_file()


def test_a_file_has_the_shared_settings_and_fixed_ones_win(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("popsize = 12\ngenerations = 4\nclasses = [3]\n")
    command = ["ablate", "--out", str(tmp_path / "run"), "--config", str(tmp_path / "base.toml")]
    command += ["--vary", "sigma=0.1,0.2", "--fixed", "generations=6", "pairs=16", "eval_pairs=32"]
    assert main([*command, "--seeds", "0", "--no-figures", "--quiet"]) == 0
    document = json.loads((tmp_path / "run" / "ablation.json").read_text())
    assert document["base"]["popsize"] == 12
    assert document["base"]["generations"] == 6
    assert not (tmp_path / "run" / "convergence.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing is varied; give vary"),
        (["--vary", "mutatio=gaussian"], "no pretraining setting 'mutatio'. Did you mean 'mutation'"),
        (["--vary", "mutation=gaussain"], "no mutation 'gaussain'. Did you mean 'gaussian'"),
        (["--vary", "sigma=-1"], "sigma must be above 0"),
        (["--vary", "sigma=1", "--config", "none.toml"], "none.toml cannot be read"),
        (["--vary", "sigma=1", "--baseline", "x"], "no variant 'x'"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["ablate", "--out", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()
