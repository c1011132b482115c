from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.harness.results import update_record
from benchmarks.synthetic import priors
from benchmarks.synthetic.conditions import REGIMES
from benchmarks.synthetic.losses import KNOWN, tabulate_losses
from benchmarks.synthetic.priors import PriorsBenchmark, main
from benchmarks.transfer.conditions import EVOLVED
from evoloss.errors import ConfigError, ResultsError, UnknownNameError
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
    main(PriorsBenchmark(out=out, on=("tiny",), groups=2, rates=2, losses=("evolved-base",)))
    found = json.loads(out.read_text())
    assert found["general"] == {"kept": True}
    assert (found["tiny"]["groups"], found["tiny"]["rates"]) == (2, 2)
    for kind in ("short", "long"):
        row = found["tiny"][kind]
        assert list(row["difference"]) == [*KNOWN, "evolved-base"]
        assert row["difference"]["cross_entropy"] == {"mean": 0.0, "se": 0.0}
        assert any(value["mean"] for value in row["difference"].values())
        assert 0 < row["cross_entropy_accuracy"] <= 100
        assert all(math.isfinite(value["se"]) for value in row["difference"].values())
        assert row["tasks"] == 8
    assert "tiny, short: cross-entropy" in capsys.readouterr().out
    main(PriorsBenchmark(out=out, on=("tiny",), groups=2, rates=2, losses=(), kinds=("long",)))
    only = json.loads(out.read_text())["tiny"]
    assert only["short"] == found["tiny"]["short"]  # of the same tasks, so it stays
    assert "evolved-base" not in only["long"]["difference"]
    assert only["long"]["cross_entropy_accuracy"] == found["tiny"]["long"]["cross_entropy_accuracy"]
    assert "tiny, short" not in capsys.readouterr().out
    main(
        PriorsBenchmark(
            out=out, on=("tiny",), groups=2, rates=2, losses=(), kinds=("long",), known=("p^2A", "gce")
        )
    )
    entry = json.loads(out.read_text())["tiny"]["long"]
    assert entry["difference"] == {
        name: only["long"]["difference"][name] for name in ("cross_entropy", "gce", "p^2A")
    }
    main(PriorsBenchmark(out=out, on=("tiny",), groups=2, rates=1, losses=(), kinds=("long",)))
    assert "short" not in json.loads(out.read_text())["tiny"]


def test_unknown_names_are_refused_before_any_work() -> None:
    with pytest.raises(UnknownNameError, match=r"no prior or regime 'underfi'.*Did you mean 'underfit'"):
        PriorsBenchmark(on=("underfi",))
    with pytest.raises(UnknownNameError, match="no known loss 'gcd'"):
        PriorsBenchmark(known=("gcd",))


def test_a_concat_loss_has_no_slopes() -> None:
    loss = str(EVOLVED / "paper-concat")
    with pytest.raises(ConfigError, match=r"the network of .*paper-concat has none"):
        tabulate_losses(("cross_entropy",), (loss,), 10, like=torch.zeros(0))


def test_a_file_that_is_no_record_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "priors.json"
    out.write_text("[]")
    with pytest.raises(ResultsError, match=r"priors\.json must hold a JSON object, got a list"):
        update_record(out, "general", {})
    assert out.read_text() == "[]"
