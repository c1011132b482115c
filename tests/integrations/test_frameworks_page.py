"""Blocks of docs/how-to/frameworks.md run, each section where its tool is installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documentation.pages import ROOT

PAGE = ROOT / "docs/how-to/frameworks.md"
TOOLS = {
    "XGBoost": ("xgboost", "sklearn"),
    "LightGBM": ("lightgbm", "sklearn"),
    "Hugging Face": ("transformers", "accelerate"),
    "scikit-learn": ("sklearn",),
    "skorch": ("skorch",),
    "JAX": ("jax", "optax", "sklearn"),
    "Keras": ("keras", "sklearn"),
}


def sections() -> dict[str, list[str]]:
    """The blocks of Python of each section."""
    text = PAGE.read_text(encoding="utf-8")
    found = {}
    for part in text.split("\n## ")[1:]:
        found[part.partition("\n")[0]] = re.findall(r"^```python\n(.*?)^```$", part, re.M | re.S)
    return found


def test_every_section_with_code_is_run() -> None:
    assert {name for name, blocks in sections().items() if blocks} == set(TOOLS)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras to NumPy 2
@pytest.mark.parametrize("section", TOOLS)
def test_a_section(section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # it looks when it is imported
    for module in TOOLS[section]:
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": "page"}
    for code in sections()[section]:
        exec(compile(code, f"{PAGE.name}: {section}", "exec"), scope)
