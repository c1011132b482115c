"""No command replaces a file that evoloss did not write, and each says so before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from evoloss.cli import main
from tests.compare.runs import make_results

COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "pretrain": (
        ["pretrain", "--generations", "2"],
        ["README.md", "config.json", "loss.safetensors", "pretrain.toml", "history.jsonl", "summary.json"],
    ),
    "compare": (["compare", "--model", "mlp"], ["results.json"]),
    "ablate": (
        ["ablate", "--vary", "sigma=0.1,0.2"],
        ["ablation.json", "convergence.png", "differences.png"],
    ),
    "inspect": (["inspect", "gce"], ["inspect.json", "loss_curve.png", "gradient_profile.png"]),
}
CASES = [(command, name) for command, (_, names) in COMMANDS.items() for name in names]


@pytest.mark.parametrize(("command", "name"), CASES)
@pytest.mark.parametrize("out", [".", ""])
def test_a_file_of_others_is_left_and_named(
    command: str,
    name: str,
    out: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"mine")
    assert main([*COMMANDS[command][0], "--out", out]) == 2
    error = capsys.readouterr().err
    problem = f"{name} was not written by evoloss, and would be replaced" if out else "argument"
    assert error.startswith(f"evoloss: error: {problem}")
    assert out or "'', is empty" in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert Path(name).read_bytes() == b"mine"


def test_report_leaves_the_files_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, out = tmp_path / "mine" / "results.json", tmp_path / "out" / "mine"
    make_results().write(results)
    out.mkdir(parents=True)
    command = ["report", str(results.parent), "--formats", "png", "svg", "--out", str(tmp_path / "out")]
    for name in ("table.md", "accuracy.png", "learning_curves.svg"):
        (out / name).write_bytes(b"mine")
        assert main(command) == 2
        assert f"{name} was not written by evoloss" in capsys.readouterr().err
        assert [path.name for path in out.iterdir()] == [name]
        assert (out / name).read_bytes() == b"mine"
        (out / name).unlink()
    for _ in range(2):  # its own it replaces
        assert main(command) == 0
    assert len(list(out.iterdir())) == 7


def test_report_replaces_pictures_beside_its_results(tmp_path: Path) -> None:
    make_results().write(tmp_path / "results.json")
    for _ in range(2):
        assert main(["report", str(tmp_path)]) == 0
    (tmp_path / "table.md").write_bytes(b"mine")
    assert main(["report", str(tmp_path)]) == 2
