"""What trainings need is asked for before the first one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evoloss.compare import CompareConfig, compare
from evoloss.errors import MissingExtraError
from evoloss.training.stages.devices import require_tools


@pytest.mark.parametrize(
    ("module", "package"),
    [("lightning_fabric", "lightning-fabric"), ("torchmetrics", "torchmetrics"), ("scipy", "scipy")],
)
def test_a_comparison_tells_what_is_missing_and_leaves_nothing(
    module: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    config = CompareConfig(model="mlp", seeds=(0,), epochs=1, train_samples=30)
    with pytest.raises(MissingExtraError, match=rf"^training a classifier needs {package}, which is n"):
        compare(config, out=tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_trees_need_no_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    require_tools(trees=True)
    with pytest.raises(MissingExtraError, match="lightning-fabric"):
        require_tools()
