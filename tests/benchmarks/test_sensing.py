from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from benchmarks.harness.results import read_record
from benchmarks.sensing import run as study
from benchmarks.sensing.ablations import ABLATIONS
from benchmarks.sensing.run import OUT, Sensing, main, watched
from evoloss.errors import UnknownNameError
from evoloss.losses import LOSSES, EvolvedLoss
from evoloss.random_streams import stream
from tests.training.blobs import image_blobs

READINGS = {"contradiction", "plateau", "recall", "memorised", "learning", "doubt"}


def test_it_runs_at_toy_size_and_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, loads = tmp_path / "courses.json", []

    def load(*_: object) -> object:
        loads.append(1)
        return image_blobs(n_train=600)

    monkeypatch.setattr(study, "load", load)
    settings = Sensing(only=("sym40-long",), epochs=3, lr=0.05, out=out)
    main(settings)
    found = read_record(out)
    assert [entry["loss"] for entry in found.values()] == ["cross_entropy", "sensing", "gce"]
    for entry in found.values():
        assert len(entry["validation_accuracy"]) == 3
        assert entry["seed"] == study.FIRST_SEED
        rows = entry["readings"]
        assert [set(row) for row in rows] == ([] if entry["loss"] == "gce" else [READINGS] * len(rows))
        assert entry["loss"] == "gce" or len(rows) >= 2
    main(settings)
    assert read_record(out) == found
    assert len(loads) == 1


def test_a_watched_training_is_that_of_the_loss_that_is_trained_with() -> None:
    rows: list[EvolvedLoss] = []
    criterion = watched(rows.append, LOSSES["gce"]())
    criterion = copy.deepcopy(criterion)
    criterion.plan_training(n_samples=8)
    logits, target = torch.randn(8, 3).requires_grad_(), torch.arange(8) % 3
    assert torch.equal(criterion(logits, target), LOSSES["gce"]()(logits, target))
    assert list(criterion.state_dict()) == list(watched(rows.append).state_dict())
    assert len(rows) == 1
    assert float(criterion.loss_state.epoch_number) == 8


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_lacks_its_part_and_nothing_else(name: str) -> None:
    """Of a loss that learns, and of one whose wrong labels are memorised."""
    logits = 3 * torch.randn(64, 4, generator=stream(0, "logits"))
    target = torch.randint(4, (64,), generator=stream(0, "target"))
    differs = {}
    for memorised in (0.0, 1.0):
        gradients = []
        for some in ("sensing", name):
            loss = watched(lambda _: None, name=some)
            loss.plan_training(n_samples=64)
            state = loss.network.initial_state(4) | {
                "n_samples": torch.tensor(64.0),
                "agreement": torch.tensor(0.7),
                "memorised": torch.tensor(memorised),
                "plateau": torch.ones(()),
                "by_heart": torch.tensor(memorised),
                "confident": torch.ones(4),
                "contradicted": torch.tensor([0.1, 0.3, 0.3, 0.4]),
                "shares": torch.tensor([0.01, 0.3, 0.3, 0.4]),
            }
            loss.loss_state.update(state)
            leaf = logits.clone().requires_grad_()
            loss(leaf, target).backward()
            assert leaf.grad is not None
            gradients.append(leaf.grad)
        differs[memorised] = float((gradients[0] - gradients[1]).abs().max()) > 1e-5
    assert (
        differs
        == {
            "sensing": {0.0: False, 1.0: False},
            "sensor-off": {0.0: False, 1.0: True},
            "doubt-from-the-start": {0.0: True, 1.0: False},
            "without-rival": {0.0: False, 1.0: True},
            "classes-alike": {0.0: False, 1.0: True},
            "cross-entropy-first": {0.0: True, 1.0: False},
        }[name]
    )


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="sym40-long"):
        main(Sensing(only=("sym40-lon",), out=tmp_path / "courses.json"))
    with pytest.raises(UnknownNameError, match="sensing"):
        main(Sensing(losses=("sensin",), out=tmp_path / "courses.json"))


def test_committed_courses_can_be_read() -> None:
    for entry in read_record(OUT).values():
        assert entry["seed"] >= study.FIRST_SEED
        assert entry["last"] == entry["validation_accuracy"][-1]
