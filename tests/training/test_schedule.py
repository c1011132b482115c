from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoloss.training.schedule import learning_rate


@settings(deadline=None, max_examples=100)
@given(
    schedule=st.sampled_from(["one_cycle", "cosine", "constant"]),
    n_steps=st.integers(1, 500),
    peak=st.floats(1e-4, 10),
    data=st.data(),
)
def test_lies_between_zero_and_the_peak(schedule, n_steps: int, peak: float, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, n_steps - 1))
    assert 0 < learning_rate(schedule, step, n_steps, peak) <= peak * (1 + 1e-12)


def test_one_cycle_rises_linearly_then_falls() -> None:
    rates = [learning_rate("one_cycle", step, 100, 1.0) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 25)
    assert rates[15] == pytest.approx((1 / 25 + 1) / 2)
    assert rates[30] == 1.0
    assert rates[65] == pytest.approx(0.5)
    assert rates[99] < 1e-3
    assert rates[:31] == sorted(rates[:31])
    assert rates[30:] == sorted(rates[30:], reverse=True)


def test_cosine_follows_its_formula() -> None:
    assert learning_rate("cosine", 0, 10, 0.2) == 0.2
    assert learning_rate("cosine", 3, 10, 0.2) == pytest.approx(0.1 * (1 + math.cos(0.3 * math.pi)))


def test_constant_stays() -> None:
    assert {learning_rate("constant", step, 7, 0.3) for step in range(7)} == {0.3}
