from __future__ import annotations

import pytest

from evoloss.errors import ConfigError
from evoloss.evolve.ranges import seconds_of, share_range, time_text, whole_range


@pytest.mark.parametrize("text", ["", "many", "1-2-3", "-4", "3.5", "400-100", "3-", "1e3", "2000"])
def test_what_is_no_range_of_whole_numbers_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--classes must be .*from 2 to 1,000") as found:
        whole_range("classes", text, 2, 1000)
    assert repr(text) in str(found.value)


def test_ranges() -> None:
    assert whole_range("samples", " 100 - 400 ", 4, 1000) == (100, 400)
    assert whole_range("samples", "100..400", 4, 1000) == (100, 400)
    assert share_range("noise", ".2-0.5", 0.95) == (0.2, 0.5)
    assert share_range("noise", "0", 0.95) == (0.0, 0.0)


def test_percent_in_the_place_of_a_share() -> None:
    with pytest.raises(ConfigError, match=r"a share is 0\.2, not 20"):
        share_range("noise", "20-50", 0.95)


@pytest.mark.parametrize("text", ["", "10", "0m", "m", "-5m", "10 minutes", "5m 1h"])
def test_budgets_need_a_unit(text: str) -> None:
    with pytest.raises(ConfigError, match="--budget must be a time such as 10m"):
        seconds_of(text)


@pytest.mark.parametrize(("text", "seconds"), [("10m", 600), ("1.5h", 5400), ("2h 5m", 7500), ("10min", 600)])
def test_budgets(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("seconds", [0, 1, 59, 61, 600, 3661, 7199])
def test_a_time_for_people_is_read_back(seconds: int) -> None:
    written = time_text(seconds)
    if seconds:
        assert abs(seconds_of(written) - seconds) < (60 if seconds >= 3600 else 1)
