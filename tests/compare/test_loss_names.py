"""Losses by text in a comparison: parameters, and modules of the user's own."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evoloss.compare import CompareConfig, compare
from evoloss.compare.config import label_loss
from evoloss.compare.results import Results
from evoloss.compare.training_run import Sources, train_run
from evoloss.errors import ConfigError, UnknownNameError
from evoloss.losses.resolve import make_loss
from evoloss.report.figures import write_figures
from evoloss.report.tables import markdown_table
from evoloss.training.fingerprints import fingerprint_loss
from tests.losses.evolved_losses import evolved
from tests.training.blobs import feature_blobs

module = importlib.import_module("evoloss.compare.comparison")
training = importlib.import_module("evoloss.compare.training_run")

QUICK: dict[str, Any] = {
    "model": "mlp",
    "seeds": (0,),
    "epochs": 2,
    "batch_size": 16,
    "accelerator": "cpu",
}
MINE = f"{__name__}:Squared"


class Squared(nn.Module):
    scale = 1.0

    def __init__(self, sharpness: float = 1.0) -> None:
        super().__init__()
        self.sharpness = sharpness

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        hot = nn.functional.one_hot(target, logits.shape[1])
        return (self.sharpness * logits.softmax(1) - hot).square().sum(1).mean()


class Random(Squared):
    def __init__(self) -> None:
        super().__init__(torch.rand(()).item())
        self.layer = nn.Linear(2, 2)


class Rows(nn.Module):
    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits, target, reduction="none")


@pytest.fixture(autouse=True)
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of losses in the order in which they were trained."""
    monkeypatch.setattr(module, "load_dataset", lambda name, **_: feature_blobs(spread=2.0))
    names: list[str] = []
    train = training.train

    def counted(*args: Any, loss_name: str, **options: Any) -> Any:
        names.append(loss_name)
        return train(*args, loss_name=loss_name, **options)

    monkeypatch.setattr(training, "train", counted)
    return names


def test_texts_name_columns_and_runs_and_are_resumed(tmp_path: Path, trained: list[str]) -> None:
    losses = ("cross_entropy", "gce:q=0.5", "gce:q=0.70", MINE, f"{MINE}:sharpness=2")
    names = ["cross_entropy", "gce:q=0.5", "gce:q=0.7", MINE, f"{MINE}:sharpness=2"]
    out = tmp_path / "out"
    results = compare(CompareConfig(**QUICK, losses=losses), out=out)
    assert trained == names
    assert [run.loss for run in results.runs] == names
    assert len({run.loss_fingerprint for run in results.runs}) == len(names)
    assert Results.read(out) == results
    assert results.config["losses"] == names
    table = markdown_table(results)
    assert all(f"| {name} |" in table for name in names[1:])
    assert len(write_figures(results, tmp_path / "figures")) == 3

    trained.clear()
    again = compare(CompareConfig(**QUICK, losses=(*losses, "sce:beta=2,alpha=1")), out=out)
    assert trained == ["sce:alpha=1,beta=2"]
    assert again.runs[: len(names)] == results.runs
    files = [path.name for path in out.rglob("*")]
    assert not [name for name in files if set(name) & set(':=<>"|?*\\')]


def test_an_edited_loss_is_trained_again(
    tmp_path: Path, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "from torch import nn\nclass Mine(nn.CrossEntropyLoss):\n    scale = 1\n"
    monkeypatch.syspath_prepend(tmp_path)
    config = CompareConfig(**QUICK, losses=("cross_entropy", "edited_losses:Mine"))
    for scale, expected in (("1", ["cross_entropy", "edited_losses:Mine"]), ("20", ["edited_losses:Mine"])):
        (tmp_path / "edited_losses.py").write_text(text.replace("1", scale))
        importlib.invalidate_caches()
        monkeypatch.delitem(importlib.sys.modules, "edited_losses", raising=False)
        trained.clear()
        compare(config, out=tmp_path / "out")
        assert trained == expected
    trained.clear()
    compare(config, out=tmp_path / "out")
    assert trained == []


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (("gce:q=0.5", "gce:q=0.50"), "two losses share a name"),
        (("gce:q=2",), "q must be a number above 0 and at most 1, got 2"),
        (
            ("gce:reduction=none",),
            r"loss gce:reduction=none returned a tensor of shape \(8,\); expected a scalar",
        ),
        ((f"{__name__}:Rows",), r":Rows returned a tensor of shape \(8,\); expected a scalar, the mean over"),
        (("gce:q=a/b",), "is not name=value"),
    ],
)
def test_mistakes_are_found_before_any_training(
    losses: tuple[str, ...], message: str, trained: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        compare(CompareConfig(**QUICK, losses=losses), out=tmp_path)
    assert trained == []
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_with_parameters() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'gce'"):
        compare(CompareConfig(**QUICK, losses=("gcee:q=0.5",)))
    with pytest.raises(UnknownNameError, match="Did you mean 'Squared'"):
        compare(CompareConfig(**QUICK, losses=(f"{__name__}:Sqared:sharpness=2",)))


def test_a_baseline_may_be_written_in_another_way() -> None:
    config = CompareConfig(losses=("gce:q=0.5", "evolved:label_smoothing=0.1"), baseline="gce:q=0.50")
    assert config.baseline_label == "gce:q=0.5"
    assert label_loss("evolved:label_smoothing=0.1") == "evolved-base:label_smoothing=0.1"
    assert label_loss("some/folder/mine:label_smoothing=0.10") == "mine:label_smoothing=0.1"
    assert label_loss(f"{MINE}:sharpness=2.0") == f"{MINE}:sharpness=2"


def test_a_worker_elsewhere_finds_the_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evolved("monotone").save_pretrained(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    losses = ("gce:q=0.5", "mine", "mine:label_smoothing=0.1", f"{MINE}:sharpness=2.0", "evolved")
    found = Sources.of(CompareConfig(losses=losses)).losses
    monkeypatch.chdir("/")
    here = str((tmp_path / "mine").resolve())
    assert found == {
        "gce:q=0.5": "gce:q=0.5",
        "mine": here,
        "mine:label_smoothing=0.1": f"{here}:label_smoothing=0.1",
        f"{MINE}:sharpness=2": f"{MINE}:sharpness=2.0",
        "evolved-base": "evolved",
    }
    assert make_loss(found["mine:label_smoothing=0.1"]).label_smoothing == 0.1
    assert fingerprint_loss(make_loss(found[f"{MINE}:sharpness=2"])) == fingerprint_loss(Squared(2.0))


def test_a_loss_that_draws_numbers_is_one_loss_in_every_process(tmp_path: Path, trained: list[str]) -> None:
    config = CompareConfig(**QUICK, losses=(f"{__name__}:Random",))
    state = torch.get_rng_state()
    first = compare(config, out=tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert compare(config, out=tmp_path).runs == first.runs
    assert len(trained) == 1


def test_a_run_of_a_users_loss_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = importlib.import_module("evoloss.compare.training_run")
    monkeypatch.setattr(worker, "load_dataset", lambda name, **_: feature_blobs(spread=2.0))
    config = CompareConfig(**QUICK, losses=(f"{MINE}:sharpness=2",))
    losses = {label_loss(spec): make_loss(spec) for spec in config.losses}
    planned = worker.TrainingRuns(config, feature_blobs(spread=2.0), losses, {"evoloss": "1", "torch": "2"})
    run = planned.make(f"{MINE}:sharpness=2", seed=0, lr=0.1)
    worker._load.cache_clear()
    result = train_run(Sources.of(config), json.loads(json.dumps(run.config)))
    assert result["loss"] == f"{MINE}:sharpness=2"
    assert torch.tensor(result["history"]["train_loss"]).isfinite().all()
