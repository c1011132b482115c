"""Reading and damaging a saved loss, for the tests of artefacts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import strategies as st

from evoloss.errors import ArtefactError
from evoloss.losses.evolved import EvolvedLoss
from tests.losses.evolved_losses import usable_params

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def config_of(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "config.json").read_text())


def put(directory: Path, config: object) -> None:
    (directory / "config.json").write_text(json.dumps(config))


def put_tensors(directory: Path, content: bytes) -> None:
    """Another loss.safetensors with the checksum that belongs to it."""
    (directory / "loss.safetensors").write_bytes(content)
    put(directory, {**config_of(directory), "loss_sha256": hashlib.sha256(content).hexdigest()})


def refused(directory: Path, text: str = ".") -> str:
    with pytest.raises(ArtefactError, match=text) as caught:
        EvolvedLoss.from_pretrained(directory)
    assert str(directory) in str(caught.value)
    return str(caught.value)


def loads_or_is_refused(directory: Path) -> None:
    try:
        loss = EvolvedLoss.from_pretrained(directory)
    except ArtefactError:
        return
    assert torch.equal(loss.params, usable_params("classwise"))


def tensors(**named: torch.Tensor) -> bytes:
    return safetensors.torch.save(named)
