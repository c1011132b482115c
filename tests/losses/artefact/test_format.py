"""Artefacts: saving and loading is the identity, and damaged files are errors."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evoloss.errors import ArtefactError, CanonicalFormError, ConfigError, EvolossError, UnknownNameError
from evoloss.losses.artefact.format import (
    MAX_CONFIG_BYTES,
    MAX_LOSS_BYTES,
    Artefact,
    read_artefact,
    write_artefact,
)
from evoloss.losses.evolved import EvolvedLoss
from evoloss.networks import ClasswiseNetwork, ConcatNetwork, LossNetwork, MonotoneNetwork
from tests.losses.evolved_losses import NETWORKS, evolved, usable_params
from tests.losses.saved_loss import JSON, config_of, loads_or_is_refused, refused

FILES = {"loss.safetensors", "config.json", "README.md"}
HIDDEN = st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple)
FEATURES = st.sampled_from(["log_probs", "probs"])
EVERY_NETWORK = st.one_of(
    st.builds(
        ClasswiseNetwork,
        hidden=HIDDEN,
        activation=st.sampled_from(["silu", "tanh", "softplus"]),
        features=FEATURES,
    ),
    st.builds(
        MonotoneNetwork, hidden=HIDDEN, activation=st.sampled_from(["tanh", "softplus"]), features=FEATURES
    ),
    st.builds(ConcatNetwork, n_classes=st.integers(2, 9), hidden=HIDDEN, features=FEATURES),
)


@settings(deadline=None, max_examples=40)
@given(
    network=EVERY_NETWORK,
    seed=st.integers(0, 99),
    double=st.booleans(),
    record=st.dictionaries(st.text(), JSON, max_size=3),
)
def test_saving_then_loading_is_the_identity(
    network: LossNetwork,
    seed: int,
    double: bool,
    record: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
):
    params = network.initial(torch.Generator().manual_seed(seed)).to(
        torch.float64 if double else torch.float32
    )
    directory = tmp_path_factory.mktemp("artefact")
    write_artefact(directory, Artefact(network, params, record))
    read = read_artefact(directory)
    assert read.network == network
    assert type(read.network) is type(network)
    assert read.params.dtype == params.dtype
    assert torch.equal(read.params, params)
    assert read.record == record


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    directory = tmp_path / "loss"
    evolved("classwise").save_pretrained(directory)
    return directory


def test_exactly_three_files_that_only_hold_data(saved: Path):
    assert {path.name for path in saved.iterdir()} == FILES
    assert config_of(saved).keys() == {"format", "evoloss_version", "network", "loss_sha256", "record"}
    assert config_of(saved)["format"] == 1
    tensors = safetensors.torch.load_file(saved / "loss.safetensors")
    assert list(tensors) == ["params"]


def test_an_older_loss_is_overwritten_and_other_files_are_left_alone(saved: Path):
    (saved / "notes.txt").write_text("mine")
    other = evolved("concat")
    other.save_pretrained(saved)
    assert {path.name for path in saved.iterdir()} == {*FILES, "notes.txt"}
    assert torch.equal(EvolvedLoss.from_pretrained(saved).params, other.params)


def test_the_semantics_of_a_use_are_not_saved(tmp_path: Path):
    evolved("monotone", ignore_index=3, reduction="sum", weight=torch.ones(4)).save_pretrained(tmp_path)
    loaded = EvolvedLoss.from_pretrained(tmp_path, label_smoothing=0.2)
    assert (loaded.ignore_index, loaded.reduction, loaded.label_smoothing) == (-100, "mean", 0.2)
    assert loaded.weight is None


@pytest.mark.parametrize("inside", [False, True])
def test_saving_where_a_file_stands(tmp_path: Path, inside: bool):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArtefactError, match=r"file is not a directory; a loss is saved in a directory"):
        evolved("concat").save_pretrained(tmp_path / "file" / ("below" if inside else ""))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object()], ids=["nan", "set", "object"])
def test_a_record_that_json_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path, value: Any):
    loss = EvolvedLoss(NETWORKS["concat"], usable_params("concat"), record={"a": value})
    with pytest.raises(ConfigError, match="must hold JSON values"):
        loss.save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_record_too_large_to_be_read_is_not_written(tmp_path: Path):
    loss = EvolvedLoss(NETWORKS["concat"], usable_params("concat"), record={"a": "x" * MAX_CONFIG_BYTES})
    with pytest.raises(ArtefactError, match="a saved loss has at most"):
        loss.save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_no_directory_is_an_unknown_name_with_the_shipped_ones(tmp_path: Path):
    for name in (tmp_path / "none", "evolved-bse", "x" * 5000, "a\0b"):
        with pytest.raises(UnknownNameError, match=r"no shipped loss or directory .*evolved-base"):
            EvolvedLoss.from_pretrained(name)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    for name in ("dangling", "file"):
        with pytest.raises(UnknownNameError):
            EvolvedLoss.from_pretrained(tmp_path / name)


@pytest.mark.parametrize("name", ["loss.safetensors", "config.json"])
def test_what_stands_in_the_place_of_a_file(saved: Path, name: str):
    path = saved / name
    path.unlink()
    refused(saved, f"{name} cannot be read .*No such file")
    path.symlink_to(saved / "nowhere")
    refused(saved, f"{name} cannot be read")
    path.unlink()
    path.mkdir()
    refused(saved, f"{name} cannot be read .*Is a directory")
    path.rmdir()
    path.touch()
    refused(saved)
    limit = {"config.json": MAX_CONFIG_BYTES, "loss.safetensors": MAX_LOSS_BYTES}[name]
    os.truncate(path, limit * 100)  # sparse: takes no room on the disk
    refused(saved, rf"{name} cannot be read \(Is larger than {limit} bytes\)")


def test_the_card_is_not_needed_to_load(saved: Path):
    (saved / "README.md").unlink()
    assert EvolvedLoss.from_pretrained(saved)


@pytest.mark.parametrize("name", ["loss.safetensors", "config.json"])
def test_every_truncation_is_found(saved: Path, name: str):
    content = (saved / name).read_bytes()
    for length in range(0, len(content.rstrip()), 5):
        (saved / name).write_bytes(content[:length])
        refused(saved)


def test_every_flipped_bit_of_the_tensors_is_found(saved: Path):
    path, bits = saved / "loss.safetensors", random.Random(0)
    content = path.read_bytes()
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 1 << bits.randrange(8)
        path.write_bytes(damaged)
        refused(saved, "damaged or belongs to another config.json")


def test_damage_to_the_config_is_an_artefact_error_or_harmless(saved: Path):
    path, noise = saved / "config.json", random.Random(1)
    content = path.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << noise.randrange(8)
        path.write_bytes(damaged)
        loads_or_is_refused(saved)


def test_files_of_two_losses_are_not_mixed(saved: Path, tmp_path: Path):
    other = EvolvedLoss(NETWORKS["classwise"], usable_params("classwise") * 0.99)
    other.save_pretrained(tmp_path / "other")
    (saved / "loss.safetensors").write_bytes((tmp_path / "other" / "loss.safetensors").read_bytes())
    refused(saved, "belongs to another config.json")


def test_artefact_errors_are_evoloss_errors():
    assert issubclass(ArtefactError, EvolossError)
    assert not issubclass(CanonicalFormError, ArtefactError)


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}], ids=["value", "key"])
def test_text_that_cannot_be_written_is_refused_before_anything_is_written(tmp_path: Path, value: Any):
    loss = EvolvedLoss(NETWORKS["concat"], usable_params("concat"), record={"title": value})
    with pytest.raises(ConfigError, match=r"must hold JSON values: .*surrogates not allowed"):
        loss.save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(saved: Path):
    for name in ("loss.safetensors", "config.json"):
        content = (saved / name).read_bytes()
        (saved / name).unlink()
        os.mkfifo(saved / name)
        refused(saved, rf"{name} cannot be read \(Is a named pipe")
        (saved / name).unlink()
        (saved / name).write_bytes(content)
