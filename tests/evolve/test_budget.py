from __future__ import annotations

import pytest

from evoloss.errors import ConfigError
from evoloss.evolve.budget import SCALES, WANTED, Pace, measure_pace, plan_search
from evoloss.evolve.presets import config_of
from evoloss.evolve.regime import Regime
from tests.evolve.small import small_priors

CONFIG = config_of(Regime(purpose="noise", classes=(3, 3)), {}, seed=0)
PACE = Pace(0.007, 0.037)


def test_a_larger_budget_has_a_larger_search() -> None:
    plans = [plan_search(CONFIG, seconds, PACE, 9) for seconds in (60, 120, 600, 3600, 36_000)]
    sizes = [plan.config.popsize * plan.config.groups * plan.config.tasks for plan in plans]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] == 32 * 32 * 4


@pytest.mark.parametrize("seconds", [120, 600, 3600])
@pytest.mark.parametrize("factor", [0.3, 1.0, 3.0])
def test_the_largest_scale_that_has_room_is_chosen(seconds: float, factor: float) -> None:
    pace = Pace(factor * PACE.short, factor * PACE.long)
    plan = plan_search(CONFIG, seconds, pace, 9)
    if plan.config.groups > SCALES[-1]["groups"]:
        assert WANTED * plan.generation + plan.judging <= seconds
    assert plan.generation + plan.judging <= seconds


def test_several_workers_have_room_for_more() -> None:
    one, many = (plan_search(CONFIG, 120, PACE, 9, workers) for workers in (1, 8))
    assert many.config.groups > one.config.groups


def test_a_budget_that_is_too_short_says_what_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"too short .* give --budget \d+s or more"):
        plan_search(CONFIG, 5, PACE, 9)


def test_files_at_the_end_count_too() -> None:
    least = plan_search(CONFIG, 60, PACE, 9)
    needed = least.generation + least.judging
    assert plan_search(CONFIG, needed + 0.01, PACE, 9).judging == least.judging
    with pytest.raises(ConfigError, match="the judging and the files take about"):
        plan_search(CONFIG, needed + 3.9, PACE, 9, finishing=4.0)
    with pytest.raises(ConfigError, match="a budget of 1 s is too short"):
        plan_search(CONFIG, 1, Pace(1e-9, 1e-9), 9, finishing=4.0)


@pytest.mark.parametrize("looks", [1, 2, 20])
def test_what_is_kept_for_the_judging_grows_up_to_half_of_the_budget(looks: int) -> None:
    plan = plan_search(CONFIG, 600, PACE, 9)
    kept = [plan.reserve(looks, slower, 600) for slower in (1, 2, 4, 8, 40)]
    assert kept == sorted(kept)
    choosing, fewest, wanted = (
        1.2 * seconds
        for seconds in (PACE.choosing(plan.config, looks), *(PACE.verdict(9, groups) for groups in (6, 16)))
    )
    assert kept[0] == pytest.approx(choosing + wanted)
    assert kept[-1] == pytest.approx(max(300, 40 * (choosing + fewest))), "what cannot be left out is kept"


def test_one_look_leaves_nothing_to_choose_among() -> None:
    config = plan_search(CONFIG, 600, PACE, 9).config
    one, two, many, unknown = (PACE.choosing(config, looks) for looks in (1, 2, 99, None))
    assert one == pytest.approx(two * 2 / 5), "students of the report alone: of the loss and of cross-entropy"
    assert two < many == unknown


def test_long_groups_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    small_priors(monkeypatch)
    pace = measure_pace(config_of(Regime(purpose="noise", classes=(3, 3)), {}, seed=0))
    assert pace.short > 0
    assert pace.long > 0
