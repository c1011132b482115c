"""The page of results in words has the numbers of the committed results."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from evoloss.errors import UnknownNameError
from website import in_words
from website.in_words import PAGE, TEMPLATE, WIDTH, Rows, page, render, rows_of_study, shared


@pytest.fixture(scope="module")
def results() -> Rows:
    return rows_of_study()


def test_the_numbers_are_those_of_the_committed_results(results: Rows) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(results), "run python -m website.in_words"


def test_a_number_of_each_kind(results: Rows) -> None:
    row = results["digits-clean"]["gce"]
    assert row.ci_low is not None
    assert row.ci_high is not None
    text = render("{gain gce digits-clean}; {mean gce}; {above gce}; {best digits-clean}; {shared}", results)
    told, mean, above, best, number = text.strip().split("; ")
    gain, half = (float(part) for part in told.split(" ± "))
    assert (gain, half) == (round(row.mean_difference, 1), round((row.ci_high - row.ci_low) / 2, 1))
    means = {name: rows["gce"].mean_difference for name, rows in results.items() if "gce" in rows}
    assert float(mean) == round(statistics.fmean(means[name] for name in shared(results)), 1)
    assert above == f"{sum(value > 0 for value in means.values())} of {len(means)}"
    assert int(number) == len(shared(results)) > 10
    assert best == max((one.mean_difference, one.loss) for one in results["digits-clean"].values())[1]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("{gian gce digits-clean}", "no place 'gian'. Did you mean 'gain'?"),
        ("{gain gce digits-claen}", "no condition 'digits-claen'. Did you mean 'digits-clean'?"),
        ("{gain gcee digits-clean}", "no loss in digits-clean 'gcee'. Did you mean 'gce'?"),
    ],
)
def test_what_is_not_there_is_refused(place: str, message: str, results: Rows) -> None:
    with pytest.raises(UnknownNameError) as refused:
        render(place, results)
    assert message in str(refused.value)


def test_lines_are_filled_and_lists_stay_lists() -> None:
    word = "word " * 60
    lines = render(f"# Title\n\n{word}\n\n- {word}\n- short\n\nlast\n", {}).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert [line for line in lines if line.startswith("- ")] == [lines[lines.index("- short") - 3], "- short"]
    assert lines[:3] == ["# Title", "", lines[2]]
    assert lines[-2:] == ["", "last"]


def test_the_template_has_no_number_of_its_own_with_a_sign() -> None:
    assert TEMPLATE.parent == Path(in_words.__file__).parent
    text = TEMPLATE.read_text(encoding="utf-8")
    assert [
        word for word in text.split() if word.strip("*(")[:1] in "+±" and word.strip("*(")[1:2].isdigit()
    ] == []
