from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.harness.page import replace_between
from benchmarks.harness.results import read_record
from benchmarks.small_batches import run as study
from evoloss import make_loss
from evoloss.errors import ConfigError

CROSS_ENTROPY = "cross_entropy"


def test_parts_of_a_batch_cost_their_mean() -> None:
    logits, target = torch.randn(64, 10, requires_grad=True), torch.arange(64) % 10
    whole = make_loss(CROSS_ENTROPY)(logits, target)
    for size in (1, 16, 64):
        torch.testing.assert_close(study.InParts(make_loss(CROSS_ENTROPY), size)(logits, target), whole)


def test_a_study_goes_on_where_it_was_stopped_and_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, page = tmp_path / "results.json", tmp_path / "page.md"
    page.write_text("\n\n".join(study.MARKS), encoding="utf-8")
    monkeypatch.setattr(study, "PAGES", (page,))
    settings = {"sizes": (16, 64), "epochs": 1, "out": out}
    study.main(study.SmallBatches(seeds=1, **settings))
    first = read_record(out)
    assert len(first) == 1 + 2 * 2 + 1
    study.main(study.SmallBatches(seeds=2, **settings))
    both = read_record(out)
    assert len(both) == 1 + 2 * (2 * 2 + 1)
    assert all(both[name] == entry for name, entry in first.items() if name != "facts")
    study.main(study.SmallBatches(write=True, out=out))
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| 16", "| 64"]


def test_misuse() -> None:
    with pytest.raises(ConfigError, match="sizes divisors of 64"):
        study.SmallBatches(sizes=(3,))


def test_the_committed_results_are_whole_and_shown() -> None:
    record = read_record(study.OUT)
    tasks = {task.name for task in study.tasks(study.SmallBatches())}
    assert tasks <= record.keys()
    for page in study.PAGES:
        text = page.read_text(encoding="utf-8")
        assert replace_between(text, *study.MARKS, study.table(record)) == text, "run it with --write"


def test_what_the_pages_say_of_the_window() -> None:
    """Batches of one lose what the loss is for, and a window of a batch gives it back."""
    record = read_record(study.OUT)

    def median(loss: str, size: int) -> float:
        runs = range(study.SmallBatches().seeds)
        found = sorted(record[study.Task(loss, size, seed).name]["test_accuracy"] for seed in runs)
        return float(found[len(found) // 2])

    plain, windowed = "evolved-noise", "evolved-noise:agreement_window=64"
    whole = median(plain, 64)
    assert median(plain, 1) < whole - 5
    for size in study.SmallBatches().sizes:
        assert abs(median(windowed, size) - whole) < 1.5
