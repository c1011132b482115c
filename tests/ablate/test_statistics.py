from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import scipy.stats

from evoloss.ablate.results import Ablation
from evoloss.ablate.statistics import compare_variants, quantile, summarise
from evoloss.errors import ResultsError
from tests.ablate.ablations import make_ablation, make_ablation_run


def test_the_first_generation_at_the_target_counts() -> None:
    run = make_ablation_run(curve=(0.5, None, 0.99, 0.9, 0.999))
    assert run.generations_to(0.99) == 30
    assert run.generations_to(0.9999) is None
    assert (run.counted(0.99), run.counted(0.9999)) == (30, 51)
    assert run.final_consistency == 0.999


def test_an_end_without_a_loss_counts_as_chance() -> None:
    assert make_ablation_run(curve=(0.9, None)).final_consistency == 0.5


def test_summary_by_hand() -> None:
    ablation = make_ablation()
    gaussian, fast, stuck = ablation.summary
    assert (gaussian.variant, gaussian.n_seeds, gaussian.n_reached, gaussian.n_usable) == (
        "gaussian",
        4,
        4,
        4,
    )
    assert gaussian.quartiles == (30.0, 30.0, 30.0)
    assert fast.quartiles == (20.0, 20.0, 20.0)
    assert fast.median_evaluations == 160.0
    assert gaussian.mean_final == pytest.approx(0.9915)
    assert gaussian.mean_kendall_tau == pytest.approx(0.9)
    assert (stuck.n_reached, stuck.n_usable, stuck.quartiles) == (0, 0, (None, None, None))
    assert (stuck.mean_generations, stuck.median_evaluations, stuck.mean_kendall_tau) == (31, None, None)
    assert stuck.mean_final == 0.5


def test_half_of_the_runs_at_the_target_have_no_median() -> None:
    runs = [make_ablation_run(seed=seed, curve=(0.5, 1.0 if seed < 2 else 0.5)) for seed in range(4)]
    (row,) = summarise(runs, 0.99)
    assert row.quartiles == (20.0, None, None)
    assert row.mean_generations == 20.5


def test_comparisons_are_paired_and_corrected_together() -> None:
    rows = make_ablation().comparisons
    assert [(row.variant, row.reference) for row in rows] == [
        ("fast", "gaussian"),
        ("stuck", "gaussian"),
        ("fast", "stuck"),
    ]
    fast = rows[0]
    assert fast.n_seeds == 4
    assert fast.generations.mean_difference == -10.0
    assert fast.generations.effect_size is None, "no spread"
    assert fast.generations.p_value == pytest.approx(2 / 2**4)
    assert fast.generations.p_holm == pytest.approx(6 / 2**4)
    finals = [0.999 - (0.99 + seed / 1000) for seed in range(4)]
    reference = scipy.stats.ttest_1samp(finals, 0.0)
    assert fast.final.mean_difference == pytest.approx(0.0075)
    assert fast.final.p_value == pytest.approx(reference.pvalue)
    assert (fast.final.ci_low, fast.final.ci_high) == pytest.approx(tuple(reference.confidence_interval()))
    assert fast.final.effect_size == pytest.approx(0.0075 / 0.0012909944, rel=1e-6)


def test_what_students_gained_is_a_third_endpoint() -> None:
    gains = {"gaussian": (1.0, 2.0, 3.0, 4.0), "fast": (2.0, 4.0, 6.0, None), "stuck": (None,) * 4}
    runs = [
        make_ablation_run(name, seed, advantage=gain)
        for name, row in gains.items()
        for seed, gain in enumerate(row)
    ]
    gaussian, fast, stuck = summarise(runs, 0.99)
    assert (gaussian.mean_advantage, gaussian.sd_advantage) == pytest.approx((2.5, 1.2909944))
    assert (fast.mean_advantage, stuck.mean_advantage, stuck.sd_advantage) == (4.0, None, None)
    first, second = compare_variants(runs, 0.99, "gaussian")
    assert first.advantage is not None
    assert first.advantage.mean_difference == 2.0
    assert first.advantage.p_value == pytest.approx(scipy.stats.ttest_1samp([1.0, 2.0, 3.0], 0.0).pvalue)
    assert first.advantage.p_holm == first.advantage.p_value, "the only one that has it"
    assert second.advantage is None


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_below_three_seeds_nothing_is_tested(n_seeds: int) -> None:
    curves = {"a": (0.5, 0.9, 1.0), "b": (0.5, 1.0, 1.0)}
    runs = [
        make_ablation_run(name, seed, curve=curve, advantage=float(seed))
        for seed in range(n_seeds)
        for name, curve in curves.items()
    ]
    (row,) = compare_variants(runs, 0.99, "a")
    assert row.generations.mean_difference == -10.0
    for effect in (row.generations, row.final, row.advantage):
        assert effect is not None
        values = (effect.ci_low, effect.ci_high, effect.p_value, effect.p_holm, effect.ci_low_holm)
        assert values == (None,) * 5


def test_corrected_intervals_belong_to_the_test_of_their_endpoint() -> None:
    runs = [
        make_ablation_run(name, seed, curve=(0.5, *[0.6] * (delay + seed % 3), 0.99 + seed / 1e4))
        for seed in range(9)
        for name, delay in (("a", 3), ("b", 1 + seed // 8), ("c", 3 + seed % 2))
    ]
    for row in compare_variants(runs, 0.985, "a"):
        for effect in (row.generations, row.final):
            if effect.p_holm is not None and effect.ci_low_holm is not None:
                assert effect.ci_high_holm is not None
                excluded = not effect.ci_low_holm <= 0 <= effect.ci_high_holm
                assert excluded is (effect.p_holm < 0.05)
    b, c = compare_variants(runs, 0.985, "a")
    assert b.generations.p_holm == pytest.approx(2 * 2 / 2**9)
    assert (b.generations.ci_low_holm, b.generations.ci_high_holm) == (-20.0, -15.0)
    assert c.generations.ci_low_holm == 0.0


def test_only_shared_seeds_are_compared() -> None:
    runs = [make_ablation_run("a", seed) for seed in (0, 1)] + [
        make_ablation_run("b", seed) for seed in (1, 2)
    ]
    (row,) = compare_variants(runs, 0.99, "a")
    assert row.n_seeds == 1
    assert (row.generations.p_value, row.generations.ci_low, row.final.p_value) == (None, None, None)
    assert compare_variants([make_ablation_run("a", 0), make_ablation_run("b", 1)], 0.99, "a") == []


def test_quantiles_with_runs_that_never_arrived() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([1.0, 2.0], 0.5) == 1.5
    assert quantile([1.0, math.inf], 0.5) == math.inf
    assert quantile([1.0, math.inf, math.inf], 0.75) == math.inf
    assert quantile([1.0, 2.0, math.inf], 0.5) == 2.0


def test_a_file_from_before_three_seeds_were_needed_is_read(tmp_path: Path) -> None:
    runs = [
        make_ablation_run(name, seed, (0.6, end)) for seed in (0, 1) for name, end in (("a", 0.9), ("b", 1.0))
    ]
    ablation = make_ablation(runs=tuple(runs), variants={"a": {}, "b": {}}, baseline="a", contrasts=())
    path = tmp_path / "ablation.json"
    ablation.write(path)
    document = json.loads(path.read_text())
    (row,) = document["comparisons"]
    assert row["final"].keys() == {"mean_difference", "ci_low", "ci_high", "effect_size", "p_value", "p_holm"}
    assert row["final"]["p_value"] is None
    # As version 0.3.0 had it: two equal differences are certain.
    row["final"].update(ci_low=0.1, ci_high=0.1, p_value=0.0, p_holm=0.0)
    row["generations"].update(ci_low=-1.0, ci_high=-1.0, p_value=0.5, p_holm=0.5)
    path.write_text(json.dumps(document))
    assert Ablation.read(path).comparisons[0].final.p_holm is None, "what is shown is today's"
    row["final"]["mean_difference"] = 0.2
    path.write_text(json.dumps(document))
    with pytest.raises(ResultsError, match=r"comparisons\[0\] is not what follows"):
        Ablation.read(path)
