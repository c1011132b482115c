"""``evoloss compare --config``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evoloss.cli import main

SETTINGS = """
model = "mlp"
losses = ["cross_entropy", "gce"]
seeds = [0]
epochs = 1
train_samples = 40
lr = 1
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def config(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((Path(name) / "results.json").read_text())["config"]
    return found


def test_settings_of_a_file_and_those_of_the_command_which_win() -> None:
    Path("c.toml").write_text(f'dataset = "digits"\n{SETTINGS}')
    assert main(["compare", "--config", "c.toml", "--out", "out", "--epochs", "2", "--quiet"]) == 0
    found = config("out")
    assert (found["dataset"], found["model"], found["seeds"]) == ("digits", "mlp", [0])
    assert (found["epochs"], found["train_samples"], found["lr"]) == (2, 40, 1.0)
    assert type(found["lr"]) is float, "as the command line reads 1: runs have one name"
    assert found["keep"] == "first", "the default of the command, not of the library"


def test_several_data_sets_of_a_file() -> None:
    Path("c.toml").write_text(f'dataset = ["digits", "digits:model=cnn"]\n{SETTINGS}')
    assert main(["compare", "--config=c.toml", "--out", "out", "--quiet"]) == 0
    assert config("out/digits-model=cnn")["model"] == "cnn"
    assert main(["compare", "--config", "c.toml", "--dataset", "digits", "--out", "one", "--quiet"]) == 0
    assert config("one")["model"] == "mlp"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('modle = "mlp"', "no setting in c.toml, 'modle'. Did you mean 'model'?"),
        ("dataset = 3", "c.toml: dataset must be a text or a list of texts, got 3"),
        ("seeds = 3", "c.toml: seeds must be a list of int, got 3"),
        ("train_labels = 3", "c.toml: train_labels must be a path, got 3"),
        ("epochs = 0", "c.toml: epochs must be a whole number, at least 1; got 0"),
        ('out = "there"', "no setting in c.toml, 'out'"),
        ("model = ", "the configuration c.toml is not TOML"),
    ],
)
def test_mistakes_name_the_file(text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.toml").write_text(text)
    assert main(["compare", "--config", "c.toml", "--out", "out"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("out").exists()


def test_no_such_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--config", "none.toml", "--out", "out"]) == 2
    assert "the configuration none.toml cannot be read" in capsys.readouterr().err
