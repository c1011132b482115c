from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.chaos.page import PAGE, TABLES
from benchmarks.chaos.run import CONDITIONS, OPTIONAL, SEEDS, chaotic, config, contrasts, rank_correlation
from evoloss.ablate.results import Ablation

RESULTS = Path(__file__).parents[3] / "benchmarks/chaos/results"
THERE = [name for name in CONDITIONS if (RESULTS / name).exists()]


@pytest.mark.parametrize("name", [*CONDITIONS, *OPTIONAL])
def test_every_condition_is_a_valid_ablation_with_the_gaussian_as_baseline(name: str) -> None:
    ablation = config(name)
    assert ablation.baseline_name == ablation.variants[0].name == "gaussian"
    assert len(SEEDS) >= 30


def test_all_fixed_step_sizes_are_there() -> None:
    assert {f"fixed-{sigma}" for sigma in (0.02, 0.1, 0.3, 1.0, 2.0)} <= set(THERE)


@pytest.mark.parametrize("name", THERE)
def test_the_committed_result_is_the_condition(name: str) -> None:
    found, planned = Ablation.read(RESULTS / name), config(name)
    assert found.variants == {each.name: each.settings for each in planned.variants}
    assert found.contrasts == planned.contrasts
    assert found.target == planned.target
    base = planned.base.to_dict()
    assert {key: base[key] for key in found.base} == found.base
    assert {row.n_seeds for row in found.summary} == {len(SEEDS)}


def test_each_orbit_meets_its_twins() -> None:
    variants = [chaotic("tent", "step", order) for order in ("orbit", "independent", "shuffled")]
    assert variants[2].partition(":")[0] == "tent step shuffled"
    assert contrasts(variants) == ("tent step:tent step independent", "tent step:tent step shuffled")


def test_every_table_of_the_page_is_known() -> None:
    template = (RESULTS.parent / "page.md.in").read_text(encoding="utf-8")
    marks = [line[5:].split()[0] for line in template.splitlines() if line.startswith("<!-- ")]
    assert {mark for mark in marks if mark.islower()} <= TABLES.keys()
    page = PAGE.read_text(encoding="utf-8")
    prose = [line for line in template.splitlines() if line and not line.startswith("<!-- ")]
    assert all(line in page for line in prose), "the page is not made from this template; make it again"


def test_rank_correlation_leaves_rejected_candidates_out() -> None:
    first = torch.tensor([1.0, 2.0, float("inf"), 3.0])
    assert rank_correlation(first, torch.tensor([3.0, 5.0, 1.0, 9.0])) == pytest.approx(1.0)
    assert rank_correlation(first, -first) == pytest.approx(-1.0)
