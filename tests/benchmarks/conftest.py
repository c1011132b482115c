from __future__ import annotations

import pytest

from benchmarks.transfer.page import load
from evoloss.compare.results import Results


@pytest.fixture(scope="session")
def transfer_results() -> dict[str, Results]:
    """All committed results of the transfer study: seconds to read."""
    results = load()
    assert len(results) == 17
    return results
