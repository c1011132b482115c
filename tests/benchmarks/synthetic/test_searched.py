from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.harness.results import read_record
from benchmarks.synthetic import searched as module
from benchmarks.synthetic.losses import tabulate_losses
from benchmarks.synthetic.searched import SearchedLoss, lines, main, summary
from evoloss import EvolvedLoss
from evoloss.errors import ConfigError


def group(noise: list[float], **accuracy: list[float]) -> dict[str, Any]:
    return {"noise": noise, "accuracy": {"cross_entropy": [50.0] * len(noise), **accuracy}}


EXAMPLE = {
    "short 0": group([0.0, 0.4], by_hand=[49.0, 52.0], searched=[50.0, 53.0]),
    "long 0": group([0.0, 0.2], by_hand=[45.0, 60.0], searched=[49.8, 61.0]),
    "short 1": group([0.0, 0.0], by_hand=[50.0, 51.0], searched=[50.0, 51.0]),
    "long 1": group([0.3, 0.8], by_hand=[60.0, 90.0], searched=[61.2, 90.0]),
}


def test_differences_are_cut_and_told_by_kind_of_task() -> None:
    found = summary(EXAMPLE)
    assert found["tasks"] == {"clean-short": 3, "noisy-short": 1, "clean-long": 1, "noisy-long": 3}
    assert found["difference"]["clean-short"]["by_hand"]["mean"] == pytest.approx(0.0)
    assert found["difference"]["noisy-long"]["searched"]["mean"] == pytest.approx(
        (11 + 11.2 + 20) / 3, abs=1e-3
    )
    # One task has no standard error.
    assert found["difference"]["clean-long"] == {}


def test_the_price_is_that_of_the_worst_group_and_differences_are_paired() -> None:
    found = summary(EXAMPLE)
    assert found["price"] == {"cross_entropy": 0.0, "by_hand": 5.0, "searched": 0.2}
    gains = [1.0, 1.0, 4.8, 1.0, 0.0, 0.0, 1.2, 0.0]
    assert found["above"]["by_hand"]["mean"] == pytest.approx(sum(gains) / 8, abs=1e-3)
    assert found["better"] == {"cross_entropy": True, "by_hand": True}
    assert found["costs_nothing"]
    told = ["searched is better than: cross_entropy, by_hand", "right labels cost nothing"]
    assert lines(found)[-2:] == told
    # A gain within two standard errors is none.
    equal = {**EXAMPLE, "long 1": group([0.3, 0.8], by_hand=[60.0, 90.0], searched=[55.0, 90.0])}
    assert summary(equal)["better"]["by_hand"] is False


def test_a_loss_that_costs_on_right_labels_is_said_to() -> None:
    dear = {**EXAMPLE, "short 1": group([0.0, 0.0], by_hand=[50.0, 51.0], searched=[49.0, 48.0])}
    found = summary(dear)
    assert not found["costs_nothing"]
    assert lines(found)[-1] == "right labels cost more than 0.3 points"


def test_losses_with_a_state_stand_side_by_side_in_one_population() -> None:
    losses = ["evolved-base", "adaptive", "adaptive", "evolved-noise"]
    tables = tabulate_losses(["cross_entropy"], losses, 5, like=torch.zeros(()))
    alone = tabulate_losses(["cross_entropy"], losses[:2], 5, like=torch.zeros(()))
    assert len(tables) == 5
    assert tables.states is not None
    torch.testing.assert_close(tables.intercepts[:3], alone.intercepts)
    torch.testing.assert_close(tables.intercepts[2], tables.intercepts[3])


def test_groups_are_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = EvolvedLoss.from_pretrained("adaptive")
    loss.save_pretrained(tmp_path / "mine")
    options = SearchedLoss(
        searched=str(tmp_path / "mine"),
        out=tmp_path / "searched.json",
        losses=(),
        known=("cross_entropy", "gce"),
        groups=2,
        tasks=1,
        rates=1,
        samples=(200, 200),
    )
    main(options)
    record = read_record(options.out)
    assert set(record) == {"short 0", "long 0", "short 1", "long 1", "summary"}
    for name in ("short 0", "long 1"):
        accuracy = record[name]["accuracy"]
        assert list(accuracy) == ["cross_entropy", "gce", "by_hand", "searched"]
        assert accuracy["by_hand"] == accuracy["searched"]  # one loss twice
    assert record["summary"]["above"]["by_hand"]["mean"] == 0.0

    def fail(*_: object) -> None:
        raise AssertionError("trained")

    monkeypatch.setattr(module, "train_group", fail)
    main(options)
    with pytest.raises(AssertionError, match="trained"):
        main(replace(options, stream="another"))


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cross_entropy must be the first"):
        SearchedLoss(searched="x", out=tmp_path / "f", known=("gce",))
    with pytest.raises(ConfigError, match="groups must be at least 2"):
        SearchedLoss(searched="x", out=tmp_path / "f", groups=1)
