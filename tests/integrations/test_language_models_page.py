"""Blocks of docs/how-to/language-models.md run, and give what the page says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from evoloss import make_loss
from tests.documentation.pages import ROOT, blocks

PAGE = ROOT / "docs/how-to/language-models.md"
POINTS = 10  # other processors sum in another order, and a toy's steps make points of that


def run(codes: list[str], scope: dict[str, Any]) -> dict[str, Any]:
    for code in codes:
        exec(compile(code, PAGE.name, "exec"), scope)
    return scope


def test_the_layer_and_the_tiny_run() -> None:
    scope = run(blocks(PAGE, "python")[:2], {"__name__": "page"})
    (text,) = blocks(PAGE, "text")
    shown, found = dict(line.split() for line in text.splitlines()), scope["found"]
    assert shown.keys() == found.keys()
    for name, accuracy in found.items():
        assert abs(accuracy - float(shown[name])) < POINTS, name
    assert found["cross_entropy"] < found["gce:q=0.5"] < found["gce:q=1"]
    assert found["cross_entropy"] < found["evolved-noise"] < found["evolved-noise-strong"] < found["gce:q=1"]


def test_a_trainer_without_logits_is_one_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from evoloss.integrations.transformers import compute_loss_func

    monkeypatch.chdir(tmp_path)
    first, _, trainer = blocks(PAGE, "python")
    imports = "\n".join(line for line in first.splitlines() if "import" in line)
    build, train = trainer.split("Trainer(model, arguments", 1)
    torch.manual_seed(0)
    scope = run([imports, build], {"__name__": "page"})
    before = {name: value.clone() for name, value in scope["model"].state_dict().items()}
    run(["Trainer(model, arguments" + train], scope)
    fused = {name: value.clone() for name, value in scope["model"].state_dict().items()}
    scope["model"].load_state_dict(before)
    scope["model"].config.output_hidden_states = False
    transformers.Trainer(
        scope["model"],
        scope["arguments"],
        transformers.default_data_collator,
        scope["rows"],
        compute_loss_func=compute_loss_func(make_loss("gce", q=0.5), shift=True),
    ).train()
    for name, value in scope["model"].state_dict().items():
        torch.testing.assert_close(fused[name], value, rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(fused[name], value) for name, value in before.items())
