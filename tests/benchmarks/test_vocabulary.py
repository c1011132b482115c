from __future__ import annotations

from pathlib import Path

import pytest
import torch.nn.functional as F

from benchmarks.harness.page import replace_between
from benchmarks.harness.results import read_record
from benchmarks.harness.schema import check_results
from benchmarks.vocabulary import run as study
from evoloss.errors import ConfigError

needs_torch = pytest.mark.skipif(
    not hasattr(F, "linear_cross_entropy"), reason="this torch has no linear_cross_entropy"
)


@needs_torch
def test_a_small_layer_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "vocabulary.json"
    study.main(study.Vocabulary(tokens=(64, 80), vocabulary=500, features=8, rounds=2, out=out))
    content = read_record(out)
    check_results(content)
    assert len(content["rows"]) == 2 * 2 * (2 + len(study.LOSSES))
    assert len(content["targets"]) == 2 * 2 * len(study.LOSSES)
    assert len(study.table(content)) == 2 + 2 * (2 + len(study.LOSSES))


@needs_torch
def test_the_fused_losses_hold_no_logits() -> None:
    """Of many chunks of rows: a fraction of what one tensor of logits takes."""
    options = study.Vocabulary(vocabulary=4000, features=16)
    rows = study.measured(options, 4096, rounds=0)
    logits = 4096 * options.vocabulary * 4 / 2**20
    for row in rows:
        held = row["mebibytes"] - (20 if row["subject"] == "evolved-base" else 0)  # its tables
        assert held > 2 * logits if row["subject"] == study.WITH_LOGITS else held < 0.15 * logits


def test_misuse() -> None:
    with pytest.raises(ConfigError, match="tokens must be at least 1; got \\(8, 0\\)"):
        study.Vocabulary(tokens=(8, 0))


def test_the_committed_results_reach_their_targets_and_are_shown() -> None:
    content = read_record(study.OUT)
    check_results(content)
    assert {row["subject"] for row in content["rows"]} == {study.BASELINE, study.WITH_LOGITS, *study.LOSSES}
    assert all(target["reached"] for target in content["targets"])
    text = study.README.read_text(encoding="utf-8")
    assert replace_between(text, *study.MARKS, study.table(content)) == text, "run it with --write"
