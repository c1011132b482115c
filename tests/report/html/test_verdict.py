from __future__ import annotations

import pytest

from evoloss.compare.results import Results
from evoloss.report.html.cautions import cautions_of
from evoloss.report.html.verdict import verdict_of
from tests.compare.runs import make_results, make_run, make_tuning_run


def results_of(table: dict[str, tuple[float, ...]], **changes: object) -> Results:
    runs = [
        make_run(loss, seed, value, **{"n_test": 100_000, **changes})
        for loss, row in table.items()
        for seed, value in enumerate(row)
    ]
    return make_results(runs=tuple(runs))


def test_the_sentence_on_a_better_loss_has_the_corrected_interval() -> None:
    results = results_of(
        {"cross_entropy": (90.0, 91.0, 92.0), "gce": (94.0, 95.5, 95.5), "mae": (20.0, 30.0, 25.0)}
    )
    row = next(row for row in results.summary if row.loss == "gce")
    assert row.ci_low_holm is not None
    assert row.ci_high_holm is not None
    verdict = verdict_of(results)
    # Differences 4, 4.5 and 3.5: mean 4, standard deviation 0.5, t quantile 4.303; the larger p of two.
    assert verdict.text == (
        "gce is 4.0 points better than cross_entropy (95 % interval +2.8 to +5.2, corrected for 2 "
        "comparisons, "
        "3 seeds)."
    )
    assert (verdict.kind, verdict.advice) == ("better", "Use it.")
    assert (verdict.low, verdict.high) == (row.ci_low_holm, row.ci_high_holm)


def test_one_loss_alone_needs_no_correction() -> None:
    text = verdict_of(results_of({"cross_entropy": (90.0, 91.0, 92.0), "gce": (94.0, 95.5, 95.5)})).text
    assert "corrected" not in text


def test_the_largest_is_named_and_the_other_better_ones_too() -> None:
    table = {"cross_entropy": (50.0, 51.0, 52.0), "gce": (60.0, 61.1, 62.0), "sce": (70.0, 71.1, 72.0)}
    text = verdict_of(results_of(table)).text
    assert text.startswith("sce is 20.0 points better")
    assert text.endswith("So, by less, is gce.")


def test_where_nothing_differs_the_baseline_is_kept() -> None:
    table = {"cross_entropy": (50.0, 51.0, 52.0), "gce": (51.0, 50.0, 52.5), "sce": (49.0, 52.0, 52.0)}
    verdict = verdict_of(results_of(table))
    assert verdict.kind == "none"
    assert verdict.text.startswith(
        "No loss is distinguishable from cross_entropy: the largest difference is that of gce"
    )
    assert verdict.advice.startswith("This does not show that there is no difference: up to +")
    assert verdict.advice.endswith("points are not excluded. Run more seeds, or keep cross_entropy.")
    alone = verdict_of(results_of({name: table[name] for name in ("cross_entropy", "gce")}))
    assert alone.text.startswith(
        "gce is not distinguishable from cross_entropy (+0.17 points, 95 % interval −"
    )


def test_where_the_interval_is_narrow_the_baseline_is_kept() -> None:
    table = {"cross_entropy": (50.0, 51.0, 52.0), "gce": (50.1, 51.0, 52.0)}
    assert verdict_of(results_of(table)).advice == "Keep cross_entropy."


def test_what_is_worse_is_said_with_its_interval() -> None:
    verdict = verdict_of(results_of({"cross_entropy": (90.0, 91.0, 92.0), "mae": (10.0, 12.0, 13.0)}))
    assert verdict.kind == "none"
    assert verdict.text.startswith(
        "No loss is better than cross_entropy; worse: mae (−79.3 points, 95 % interval −"
    )


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_few_seeds_have_no_verdict(n_seeds: int) -> None:
    table = {"cross_entropy": (10.0, 11.0)[:n_seeds], "gce": (99.0, 99.5)[:n_seeds]}
    verdict = verdict_of(results_of(table))
    assert verdict.kind == "untested"
    assert "no difference can be told from chance" in verdict.text
    assert "Use it" not in verdict.advice
    assert "at least 3 seeds" in verdict.advice
    assert (verdict.low, verdict.high) == (None, None)
    assert any("no test and no interval below 3" in text for text in cautions_of(results_of(table)))


def test_equal_differences_have_no_test_and_no_recommendation() -> None:
    verdict = verdict_of(results_of({"cross_entropy": (90.0, 91.0, 92.0), "gce": (92.0, 93.0, 94.0)}))
    assert verdict.kind == "untested"
    assert "the same with all 3 seeds" in verdict.text


def test_a_small_test_set_takes_the_recommendation_back() -> None:
    table = {"cross_entropy": (90.0, 91.0, 92.0), "gce": (94.0, 95.5, 95.5)}
    small = results_of(table, n_test=50)
    assert verdict_of(small).kind == "better"
    assert "check it on more test data" in verdict_of(small).advice
    assert any(
        "Test set too small for the effect: with 50 test samples" in text for text in cautions_of(small)
    )
    assert not any("Test set" in text for text in cautions_of(results_of(table)))


def test_a_rate_at_the_edge_is_warned_of_and_stands_before_the_recommendation() -> None:
    runs = results_of({"cross_entropy": (90.0, 91.0, 92.0), "gce": (94.0, 95.5, 95.5)}).runs
    tuning = tuple(make_tuning_run("gce", lr, 1_000_000, 90.0 - lr) for lr in (0.05, 0.1))
    results = make_results(runs=runs, tuning=tuning)
    assert verdict_of(results).advice.startswith("Widen the grid of learning rates")
    assert any("edge of its grid: gce (lower end)" in text for text in cautions_of(results))


def test_noisy_validation_is_warned_of() -> None:
    config = {**make_results().config, "own_data": True}
    assert any(
        "Validation labels may be as wrong" in text for text in cautions_of(make_results(config=config))
    )
    assert not any("Validation" in text for text in cautions_of(make_results()))
    of_own = cautions_of(make_results(config=config))
    assert any("agreement with the test labels as given" in text for text in of_own)
    assert not any("agreement with" in text for text in cautions_of(make_results()))
    noisy = results_of(
        {"cross_entropy": (1.0, 2.0), "gce": (2.0, 3.0)}, label_noise=0.4, validation_noise=True
    )
    assert any("Validation labels are as wrong" in text for text in cautions_of(noisy))


def test_diverged_runs_one_rate_and_an_end_too_soon_are_warned_of() -> None:
    runs = (make_run(), make_run("gce", diverged=True))
    found = " ".join(cautions_of(make_results(runs=runs, complete=False)))
    for text in ("Diverged runs", "gce (1 of 1)", "One learning rate, 0.05,", "is not complete"):
        assert text in found


def test_one_loss_or_none_is_said() -> None:
    assert verdict_of(make_results(runs=())).kind == "empty"
    assert cautions_of(make_results(runs=())) == []
    alone = verdict_of(make_results(runs=(make_run(),)))
    assert alone.kind == "alone"
    assert "nothing to compare it with" in alone.text
