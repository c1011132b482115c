from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.synthetic import priors, promotion, rank_correlation
from benchmarks.synthetic.conditions import REGIMES
from benchmarks.synthetic.run import SyntheticStudy, main
from evoloss.tasks import PRIORS


def test_the_study_is_all_priors_and_regimes_their_correlations_and_promotion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[Any] = []
    for module in (priors, rank_correlation, promotion):
        monkeypatch.setattr(module, "main", parts.append)
    main(SyntheticStudy(out=tmp_path))
    on_priors, on_regimes, correlation, promoted = parts
    assert set(on_priors.on) == set(PRIORS)
    assert set(on_regimes.on) == set(REGIMES)
    assert correlation.priors == (on_priors.out,) == (on_regimes.out,) == (tmp_path / "priors.json",)
    assert promoted.out == tmp_path / "promotion.json"
