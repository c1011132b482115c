"""Blocks of docs/how-to/hub.md run, with a hub on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from evoloss import EvolvedLoss
from evoloss.losses.artefact.push import with_metadata
from tests.documentation.pages import ROOT, blocks
from tests.documentation.test_python_blocks import run_blocks
from tests.losses.artefact.hub_server import Hub
from tests.losses.artefact.test_hub import TOKEN, hub

PAGE = ROOT / "docs/how-to/hub.md"
__all__ = ["hub"]


def test_the_blocks_run(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.repositories["ada/mild"].refs["v1"] = hub.repositories["ada/mild"].refs["main"]
    EvolvedLoss("evolved-noise").save_pretrained("my-loss")
    scope = run_blocks(blocks(PAGE, "python"))
    assert scope["loss"].isfinite()
    repository = hub.repositories["ada/mine"]
    assert scope["name"] == f"hf://ada/mine@{repository.refs['main']}"
    (shown,) = blocks(PAGE, "yaml")
    assert with_metadata("", "mit") == shown
    assert repository.commits[repository.refs["main"]]["README.md"].decode().startswith(shown)
