from __future__ import annotations

import errno
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch

from evoloss.errors import CheckpointError
from evoloss.pretraining import Checkpoint, PretrainConfig, read_checkpoint, write_checkpoint
from evoloss.pretraining.checkpoint import CHECKPOINT_FILE
from evoloss.pretraining.checks import Attempt, Incumbent
from evoloss.pretraining.evaluation.elites import Elites
from tests.pretraining.runs import tiny

STATE = {
    "mean": torch.tensor([0.1, -2.5, float("inf")]),
    "mutation.orbit": torch.tensor([[0.25], [1e-300]], dtype=torch.float64),
    "step": torch.tensor(7),
}
ELITES = Elites.none(3).with_one_more(torch.tensor([4.0, 5.0, 6.0]), 0.5, 3, keep=2)
CHECKPOINT = Checkpoint(4, 1.1, STATE, torch.tensor([1.0, 2.0, 3.0]), ELITES)
CONFIG = tiny()


def written(directory: Path, checkpoint: Checkpoint = CHECKPOINT) -> Path:
    write_checkpoint(directory, CONFIG, checkpoint)
    return directory / CHECKPOINT_FILE


def test_round_trip_keeps_every_bit(tmp_path: Path):
    written(tmp_path)
    read = read_checkpoint(tmp_path, CONFIG)
    assert (read.generation, read.seconds) == (4, 1.1)
    assert read.state.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert read.state[name].dtype == tensor.dtype
        assert torch.equal(read.state[name], tensor)
    assert torch.equal(read.best, CHECKPOINT.best)
    for name, tensor in vars(ELITES).items():
        assert torch.equal(getattr(read.elites, name), tensor)
    assert read.incumbent is None
    assert vars(read.attempt) | {"scores": []} == vars(Attempt()) | {"scores": []}


def test_round_trip_of_what_the_checks_know(tmp_path: Path):
    scores = torch.tensor([0.1, 0.25, 1 / 3], dtype=torch.float64)
    attempt = Attempt(2, 75, True, True, scores)
    kept = Incumbent(torch.tensor([0.1, 1e-40, -3.0]), 1 / 3, 60, is_mean=False)
    written(tmp_path, replace(CHECKPOINT, attempt=attempt, incumbent=kept))
    read = read_checkpoint(tmp_path, CONFIG)
    assert read.incumbent is not None
    assert vars(read.incumbent) | {"params": None} == vars(kept) | {"params": None}
    assert torch.equal(read.incumbent.params, kept.params)
    assert vars(read.attempt) | {"scores": None} == vars(attempt) | {"scores": None}
    assert torch.equal(read.attempt.scores, scores)


def test_replacing_leaves_nothing_beside_the_file(tmp_path: Path):
    written(tmp_path)
    written(tmp_path, replace(CHECKPOINT, generation=5))
    assert read_checkpoint(tmp_path, CONFIG).generation == 5
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT_FILE]


def test_views_are_saved_as_what_they_show(tmp_path: Path):
    view = torch.arange(6.0).reshape(2, 3).T
    written(tmp_path, replace(CHECKPOINT, state={"a": view, "b": view}))
    read = read_checkpoint(tmp_path, CONFIG)
    assert torch.equal(read.state["a"], view)
    assert torch.equal(read.state["b"], view)


FREE: dict[str, Any] = {
    "generations": 99,
    "eval_every": 1,
    "eval_groups": 2,
    "elites": 9,
    "eval_pairs": 99,
    "checkpoint_every": 1,
    "checkpoint_seconds": 1.0,
}
CHANGED: dict[str, Any] = {
    "seed": 5,
    "network": "classwise",
    "hidden": (4, 4),
    "activation": "tanh",
    "features": "probs",
    "objective": "hinge",
    "margin": 0.2,
    "error": "dominance",
    "couples_per_pair": 1,
    "n_grid": 0,
    "slots": 8,
    "classes": (2, 3),
    "pairs": 25,
    "regimes": {"boundary": 1.0},
    "strategy": "snes",
    "popsize": 10,
    "sigma": 0.2,
    "step_control": "none",
    "learning_rate": 0.1,
    "mutation": "chaotic",
    "chaotic_map": "tent",
    "chaos_drives": "both",
    "chaos_order": "shuffled",
    "start": "sce",
    "prior": "few-shot",
    "prior_classes": (2, 4),
    "prior_samples": (20, 40),
    "prior_noise": (0.1, 0.2),
    "prior_features": (4, 8),
    "prior_imbalanced": 0.5,
    "groups": 2,
    "tasks": 3,
    "rates": 2,
    "scoring": "points",
    "nll_weight": 0.5,
    "worst_weight": 0.5,
    "clean_weight": 1.0,
    "clean_tolerance": 0.2,
    "promote": 0.5,
    "ranking_floor": 0.5,
    "ranking_weight": 1.0,
}


@pytest.mark.parametrize("key", FREE)
def test_what_does_not_change_the_search_may_differ(tmp_path: Path, key: str):
    written(tmp_path)
    assert read_checkpoint(tmp_path, replace(CONFIG, **{key: FREE[key]})).generation == 4


@pytest.mark.parametrize("key", CHANGED)
def test_another_configuration_is_refused_with_what_changed(tmp_path: Path, key: str):
    written(tmp_path)
    values: dict[str, object] = {key: CHANGED[key]} | ({"network": "balanced"} if key == "start" else {})
    if key.startswith("prior"):  # which is of no other fitness
        values["fitness"] = "learnability"
    changed = replace(CONFIG, **values)
    with pytest.raises(CheckpointError, match=f"belongs to another configuration .*\\b{key}: .* -> "):
        read_checkpoint(tmp_path, changed)


def test_every_setting_is_either_free_or_fixed():
    assert FREE.keys() | CHANGED.keys() | {"fitness"} == CONFIG.to_dict().keys()


def test_fewer_generations_than_done_are_refused(tmp_path: Path):
    written(tmp_path)
    assert read_checkpoint(tmp_path, replace(CONFIG, generations=4)).generation == 4
    with pytest.raises(CheckpointError, match="at generation 4, beyond the 3 asked for"):
        read_checkpoint(tmp_path, replace(CONFIG, generations=3))


def test_no_checkpoint(tmp_path: Path):
    with pytest.raises(CheckpointError, match="nothing to resume; start without --resume"):
        read_checkpoint(tmp_path, CONFIG)
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="nothing to resume"):
        read_checkpoint(tmp_path / "file", CONFIG)


def test_what_cannot_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = written(tmp_path)

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(
            CheckpointError, match=r"cannot be read \(Permission denied\); the run in it may be whole"
        ):
            read_checkpoint(tmp_path, CONFIG)
    path.unlink()
    path.mkdir()
    with pytest.raises(CheckpointError, match="Is a directory"):
        read_checkpoint(tmp_path, CONFIG)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(CheckpointError, match="Is a named pipe"):
        read_checkpoint(tmp_path, CONFIG)


def refused(directory: Path, content: bytes) -> str:
    (directory / CHECKPOINT_FILE).write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(directory, CONFIG)
    text = str(caught.value)
    assert CHECKPOINT_FILE in text
    assert "choose another, and start again" in text or "upgrade" in text
    return text


def test_every_truncation_is_found(tmp_path: Path):
    content = written(tmp_path).read_bytes()
    for length in range(0, len(content), 7):
        refused(tmp_path, content[:length])


def test_every_flipped_bit_is_found(tmp_path: Path):
    content = written(tmp_path).read_bytes()
    bits = random.Random(0)
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 1 << bits.randrange(8)
        refused(tmp_path, bytes(damaged))
    last = bytearray(content)
    last[-1] ^= 1
    assert "checksum is wrong" in refused(tmp_path, bytes(last))


def test_foreign_bytes_are_refused(tmp_path: Path):
    noise = random.Random(1)
    foreign = [b"\x00" * 64, b"PK\x03\x04", b"\x80\x04pickle", (2**62).to_bytes(8, "little"), b"{" * 5000]
    for content in [*foreign, *(noise.randbytes(size) for size in range(0, 300, 9))]:
        refused(tmp_path, content)


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path):
    content = safetensors.torch.save({"params": torch.zeros(3)})
    assert "no checkpoint of evoloss" in refused(tmp_path, content)


def with_metadata(directory: Path, **changes: str) -> bytes:
    path = written(directory)
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
    return safetensors.torch.save(safetensors.torch.load_file(path), metadata | changes)


def test_a_newer_format_asks_for_an_upgrade(tmp_path: Path):
    text = refused(tmp_path, with_metadata(tmp_path, format="5", evoloss_version="7.0"))
    assert "is from evoloss 7.0; upgrade evoloss" in text


@pytest.mark.parametrize(("number", "version"), [("1", "0.1.0"), ("2", "0.2.0"), ("3", "0.3.0")])
def test_an_older_format_cannot_be_gone_on_with(tmp_path: Path, number: str, version: str):
    text = refused(tmp_path, with_metadata(tmp_path, format=number, evoloss_version=version))
    assert f"is from evoloss {version}, whose generations this version does not repeat" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "x"},
        {"generation": "5"},
        {"seconds": "0"},
        {"config": "[]"},
        {"config": '{"a": 1}'},
    ],
    ids=str,
)
def test_changed_metadata_is_found(tmp_path: Path, changes: dict[str, str]):
    refused(tmp_path, with_metadata(tmp_path, **changes))


def test_an_unreadable_configuration_inside_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(PretrainConfig, "to_dict", lambda self: {"popsiz": 3})
    path = written(tmp_path)
    monkeypatch.undo()
    assert "Did you mean 'popsize'" in refused(tmp_path, path.read_bytes())
