"""The committed history of a shipped loss is that of its configuration, as far as it is cheap to see."""

from __future__ import annotations

import json

import pytest

from evoloss.errors import CallbackError
from evoloss.pretraining import pretrain
from evoloss.pretraining.history import GenerationRecord, read_history
from evoloss.zoo import SHIPPED
from recipes.build import RECIPES, settings

every_shipped = pytest.mark.parametrize("name", SHIPPED)


@every_shipped
def test_history_and_summary_belong_together(name: str) -> None:
    history, config = read_history(RECIPES / name), settings(name)
    summary = json.loads((RECIPES / name / "summary.json").read_text(encoding="utf-8"))
    assert [record.generation for record in history] == list(range(1, config.generations + 1))
    assert summary["generations"] == config.generations
    assert summary["popsize"] == config.popsize
    assert summary["rejected"] == sum(record.rejected for record in history)
    if history:
        assert summary["seconds"] == history[-1].seconds
        assert history[-1].held_out_score is not None, "the last generation is judged on held-out tasks"


class _EnoughError(Exception):
    """One generation is enough."""


@pytest.mark.slow
@every_shipped
def test_the_first_generation_comes_out_again(name: str) -> None:
    """Bits depend on the machine; on machines of one kind they are equal, elsewhere nearly."""
    history = read_history(RECIPES / name)
    if not history:
        pytest.skip("no search made it")
    first = history[0]
    seen: list[GenerationRecord] = []

    def stop(record: GenerationRecord) -> None:
        seen.append(record)
        raise _EnoughError

    with pytest.raises(CallbackError, match="_EnoughError"):
        pretrain(settings(name), on_generation=stop)
    assert seen[0].rejected == first.rejected
    assert seen[0].fitness_mean == pytest.approx(first.fitness_mean, rel=0.05, abs=0.02)
