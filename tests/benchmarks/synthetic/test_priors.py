from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.synthetic import priors
from benchmarks.synthetic.priors import HAND, LOSSES, REGIMES, Command, main
from evoloss.errors import UnknownNameError
from evoloss.tasks import PRIORS


def test_regimes_show_one_trait_each() -> None:
    assert not REGIMES.keys() & PRIORS.keys()
    assert REGIMES["underfit"].noisy == 0
    assert REGIMES["wide"].noisy == 0
    assert REGIMES["wide"].feature_noise[0] > REGIMES["underfit"].feature_noise[1]
    assert (REGIMES["patched"].patched, REGIMES["patched"].noisy) == (1, 0)
    assert (REGIMES["unequal"].imbalanced, REGIMES["unequal"].noisy) == (1, 0)
    assert REGIMES["few"].samples[1] <= REGIMES["underfit"].samples[0]
    assert REGIMES["few"].noisy == 0
    for name in ("noisy-underfit", "memorised", "wide-noisy", "patched-noisy"):
        assert REGIMES[name].noisy == 1
        assert set(REGIMES[name].noise_kinds) == {"symmetric"}


def test_losses_are_judged_and_what_the_file_has_stays(tmp_path: Path, monkeypatch, capsys) -> None:
    small = {
        "samples": (40, 40),
        "long_samples": (40, 40),
        "steps": (3, 3),
        "long_steps": (4, 4),
        "test_samples": 32,
        "width": (4, 4),
        "classes": (3, 3),
    }
    monkeypatch.setitem(priors.REGIMES, "tiny", replace(REGIMES["underfit"], **small))
    out = tmp_path / "priors.json"
    out.write_text('{"general": {"kept": true}}')
    main(Command(out=out, on=("tiny",), groups=2, rates=2, losses=("evolved-base",)))
    found = json.loads(out.read_text())
    assert found["general"] == {"kept": True}
    assert (found["tiny"]["groups"], found["tiny"]["rates"]) == (2, 2)
    for kind in ("short", "long"):
        row = found["tiny"][kind]
        assert list(row["difference"]) == [*LOSSES, *HAND, "evolved-base"]
        assert row["difference"]["cross_entropy"] == {"mean": 0.0, "se": 0.0}
        assert any(each["mean"] for each in row["difference"].values())
        assert 0 < row["cross_entropy_accuracy"] <= 100
        assert all(math.isfinite(each["se"]) for each in row["difference"].values())
        assert row["tasks"] == 8
    assert "tiny, short: cross-entropy" in capsys.readouterr().out
    main(Command(out=out, on=("tiny",), groups=2, rates=2, losses=(), kinds=("long",)))
    only = json.loads(out.read_text())["tiny"]
    assert only["short"] == found["tiny"]["short"]  # of the same tasks, so it stays
    assert "evolved-base" not in only["long"]["difference"]
    assert only["long"]["cross_entropy_accuracy"] == found["tiny"]["long"]["cross_entropy_accuracy"]
    assert "tiny, short" not in capsys.readouterr().out
    main(Command(out=out, on=("tiny",), groups=2, rates=2, losses=(), kinds=("long",), known=("p^2A", "gce")))
    few = json.loads(out.read_text())["tiny"]["long"]
    assert few["difference"] == {
        name: only["long"]["difference"][name] for name in ("cross_entropy", "gce", "p^2A")
    }
    main(Command(out=out, on=("tiny",), groups=2, rates=1, losses=(), kinds=("long",)))
    assert "short" not in json.loads(out.read_text())["tiny"]


def test_unknown_regime(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="underfi"):
        main(Command(out=tmp_path / "out.json", on=("underfi",)))
    assert not (tmp_path / "out.json").exists()
