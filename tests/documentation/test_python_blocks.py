"""Python that a page shows runs: block by block, in order, in an empty directory.

Readers have logits and targets; so have the blocks.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from evoloss import EvolvedLoss
from evoloss.strict_json import parse_json
from tests.documentation.pages import PAGES, ROOT, blocks, name_of

README = ROOT / "README.md"
CARDS = sorted((ROOT / "src/evoloss/zoo").glob("*/README.md"))
BENCHMARKS = ROOT / "benchmarks/README.md"
# Pages whose blocks another test runs.
ELSEWHERE = {
    ROOT / "docs/extend/benchmark.md": ROOT / "tests/benchmarks/test_extend_page.py",
    ROOT / "docs/extend/data-reader.md": ROOT / "tests/data/readers/test_extend_page.py",
    ROOT / "docs/extend/known-loss.md": ROOT / "tests/losses/known/test_extend_page.py",
    ROOT / "docs/extend/network.md": ROOT / "tests/networks/test_extend_page.py",
    ROOT / "docs/extend/stateful-network.md": ROOT / "tests/networks/test_extend_stateful_page.py",
    ROOT / "docs/how-to/configuration.md": ROOT / "tests/integrations/test_configuration_page.py",
    ROOT / "docs/how-to/tracking.md": ROOT / "tests/trackers/test_tracking_page.py",
    ROOT / "docs/how-to/hub.md": ROOT / "tests/losses/artefact/test_hub_page.py",
    ROOT / "docs/how-to/frameworks.md": ROOT / "tests/integrations/test_frameworks_page.py",
    ROOT / "docs/how-to/language-models.md": ROOT / "tests/integrations/test_language_models_page.py",
    ROOT / "docs/tools.md": ROOT / "tests/test_tools_page.py",
}
OTHERS = [
    page for page in PAGES if blocks(page, "python") and page not in (README, BENCHMARKS, *CARDS, *ELSEWHERE)
]


def reader() -> dict[str, Any]:
    logits = torch.randn(8, 10, generator=torch.Generator().manual_seed(0), requires_grad=True)
    known = {"torch": torch, "logits": logits, "target": torch.arange(8), "train_set": range(8)}
    return {"__name__": "page", **known}


def run_blocks(codes: list[str]) -> dict[str, Any]:
    scope = reader()
    for code in codes:
        exec(compile(code, "page", "exec"), scope)
    return scope


@pytest.mark.parametrize("page", [page for page in ELSEWHERE if page.exists()], ids=name_of)
def test_a_page_that_is_run_elsewhere_is(page: Path) -> None:
    assert name_of(page) in ELSEWHERE[page].read_text(encoding="utf-8")


def test_all_other_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = {name_of(page): run_blocks(codes) for page in OTHERS if (codes := blocks(page, "python"))}
    assert len(run) > 10
    # Each has left names of its own, beside those that a reader has.
    assert [name for name, scope in run.items() if scope.keys() <= reader().keys() | {"__builtins__"}] == []


def is_slow(code: str) -> bool:
    return "pretrain(" in code


def test_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    quick = [code for code in blocks(README, "python") if not is_slow(code)]
    assert len(quick) >= 1
    scope = run_blocks(quick)
    scope["loss"].backward()
    assert scope["logits"].grad.isfinite().all()
    assert scope["criterion"](scope["logits"], scope["target"]).isfinite()


@pytest.mark.slow
def test_readme_with_its_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    codes = blocks(README, "python")
    assert any(map(is_slow, codes))
    scope = run_blocks(codes)
    assert scope["result"].summary["settled"] is True
    for name in ("loss.safetensors", "config.json", "README.md", "history.jsonl", "summary.json"):
        assert (tmp_path / "my-loss" / name).is_file()
    saved = EvolvedLoss.from_pretrained("my-loss")
    again, once = (loss(scope["logits"], scope["target"]) for loss in (saved, scope["result"].loss))
    torch.testing.assert_close(again, once)


@pytest.mark.parametrize("card", CARDS, ids=name_of)
def test_card(card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(card.parent, tmp_path / "path/to/this/directory")
    assert run_blocks(blocks(card, "python"))["loss"].isfinite()


def test_benchmark_to_begin_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks(BENCHMARKS, "python")
    module = ModuleType("benchmarks.example.run")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(code, "page", "exec"), vars(module))
    out = tmp_path / "example.json"
    module.main(module.Example(out=out, rounds=2))
    written = parse_json(out.read_bytes())
    assert {row["subject"] for row in written["rows"]} == {"sum", "sorted"}
