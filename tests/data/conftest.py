from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_folders(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests away from the user's data and cache, except where a test asks for real data."""
    if "real_data_dir" not in request.fixturenames:
        monkeypatch.delenv("EVOLOSS_DATA_DIR", raising=False)
    monkeypatch.setenv("EVOLOSS_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def real_data_dir() -> Path:
    import os

    named = os.environ.get("EVOLOSS_DATA_DIR")
    if not named:
        pytest.skip("EVOLOSS_DATA_DIR is not set: no real data sets to read")
    return Path(named)
