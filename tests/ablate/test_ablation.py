from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from evoloss.ablate.ablation import AblateConfig, ablate
from evoloss.ablate.results import FILE_NAME, Ablation
from evoloss.ablate.run import evolve
from evoloss.ablate.statistics import AblationRun
from evoloss.errors import ConfigError, InUseError, ResultsError, UnknownNameError
from evoloss.executors import make_executor
from evoloss.pretraining import PretrainConfig
from evoloss.sweeps.finished_run import FinishedRun
from tests.ablate.ablations import make_ablation

BASE = PretrainConfig(generations=12, eval_every=4, popsize=16, pairs=32, classes=(3,), eval_pairs=64)
VARY = ("mutation=gaussian,chaotic",)


def config(**changes: Any) -> AblateConfig:
    return AblateConfig(**{"base": BASE, "vary": VARY, "seeds": (0, 1), "target": 0.8, **changes})


def without_seconds(ablation: Ablation) -> list[tuple[object, ...]]:
    return [(r.variant, r.seed, r.measured_at, r.consistency, r.kendall_tau, r.usable) for r in ablation.runs]


def test_every_variant_runs_with_every_seed(tmp_path: Path) -> None:
    seen = []
    twin = "twin: mutation=chaotic chaos_order=independent"
    ablation = ablate(
        config(variant=(twin,), contrast=("mutation=chaotic:twin",)),
        out=tmp_path,
        on_run=lambda run: seen.append((run.done, run.planned)),
    )
    names = ["mutation=gaussian", "mutation=chaotic", "twin"]
    assert [(run.variant, run.seed) for run in ablation.runs] == [(n, s) for s in (0, 1) for n in names]
    assert seen == [(i, 6) for i in range(1, 7)]
    assert {run.measured_at for run in ablation.runs} == {(4, 8, 12)}
    assert ablation.variants["twin"] == {"mutation": "chaotic", "chaos_order": "independent"}
    pairs = [(row.variant, row.reference) for row in ablation.comparisons]
    assert pairs == [(names[1], names[0]), (names[2], names[0]), (names[1], names[2])]
    assert Ablation.read(tmp_path) == ablation
    again = ablate(config(variant=(twin,), contrast=("mutation=chaotic:twin",)), out=tmp_path)
    assert again == ablation, "found in the folder, seconds and all"


def test_runs_are_paired_and_repeat(tmp_path: Path) -> None:
    alone = ablate(config(vary=("mutation=chaotic",), seeds=(1,)))
    together = ablate(config())
    with make_executor("processes", workers=1, threads=1) as executor:
        elsewhere = ablate(config(), executor=executor)
    assert without_seconds(alone) == without_seconds(together)[3:]
    assert without_seconds(elsewhere) == without_seconds(together)


@pytest.mark.parametrize(
    "change",
    [{"seeds": (0, 1, 2)}, {"target": 0.9}, {"baseline": "mutation=chaotic"}, {"vary": ("sigma=0.1,0.2",)}],
    ids=["grown", "another target", "another baseline", "another"],
)
def test_a_different_ablation_at_the_same_time_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    def come_second(run: FinishedRun[AblationRun]) -> None:
        if run.done < run.planned:
            with pytest.raises(InUseError, match=rf"process {os.getpid()} \(ablate, with other settings\)"):
                ablate(config(**change), out=tmp_path)

    ablation = ablate(config(), out=tmp_path, on_run=come_second)
    assert Ablation.read(tmp_path) == ablation
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE_NAME, "runs"]


def test_an_equal_ablation_at_the_same_time_shares_the_runs(tmp_path: Path) -> None:
    second: list[Ablation] = []

    def come_second(run: FinishedRun[AblationRun]) -> None:
        if run.done == 1:
            second.append(ablate(config(), out=tmp_path))

    assert ablate(config(), out=tmp_path, on_run=come_second) == second[0]


def test_equal_runs_are_done_once() -> None:
    counts = []
    ablate(
        config(vary=(), variant=("a: sigma=0.3", "b:"), seeds=(0,)),
        on_run=lambda run: counts.append((run.done, run.planned)),
    )
    assert counts == [(1, 1)]


def test_a_search_without_a_usable_loss_is_a_result() -> None:
    # After one tiny step from a random start, most seeds have no loss that pushes the label up.
    results = [
        evolve(PretrainConfig(**{**BASE.to_dict(), "generations": 1, "sigma": 1e-6, "seed": s}).to_dict())
        for s in range(8)
    ]
    failed = [result for result in results if not result["usable"]]
    assert failed
    assert {result["kendall_tau"] for result in failed} == {None}
    assert all(result["measured_at"] == [1] for result in results)


def test_the_scores_are_those_of_the_pretraining() -> None:
    result = evolve({**BASE.to_dict(), "seed": 5, "generations": 40, "eval_every": 15})
    assert result["measured_at"] == [15, 30, 40]
    assert result["usable"]
    assert result["consistency"][-1] > 0.8
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"vary": ()}, ConfigError, "nothing is varied; give vary"),
        ({"seeds": ()}, ConfigError, "seeds must hold at least one seed"),
        ({"seeds": (1, 1)}, ConfigError, "none twice"),
        ({"seeds": (-1,)}, ConfigError, "seed must be at least 0"),
        ({"target": 0.5}, ConfigError, "target must be above 0.5"),
        ({"baseline": "gauss"}, UnknownNameError, "no variant 'gauss'"),
        ({"contrast": ("a",)}, ConfigError, "'a' is no contrast; write VARIANT:REFERENCE"),
        ({"contrast": ("a:b",)}, UnknownNameError, "no variant 'a'"),
        ({"vary": ("sigma=-1.0",)}, ConfigError, "sigma must be above 0"),
        ({"vary": ("network=concat", "classes=[2,3]")}, ConfigError, "a concat network has one class count"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        config(**changes)


def test_the_baseline_is_the_first_variant_unless_named() -> None:
    assert config().baseline_name == "mutation=gaussian"
    assert config(baseline="mutation=chaotic").baseline_name == "mutation=chaotic"


def test_a_file_round_trip_and_another_target(tmp_path: Path) -> None:
    ablation = make_ablation()
    ablation.write(tmp_path / FILE_NAME)
    read = Ablation.read(tmp_path)
    assert read == ablation
    assert read.comparisons == ablation.comparisons
    assert [row.n_reached for row in read.at(0.65).summary] == [4, 4, 0]


def test_a_missing_file_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"ablation\.json does not exist; `evoloss ablate"):
        Ablation.read(tmp_path)


DAMAGE: dict[str, tuple[Any, str]] = {
    "another schema": (lambda d: d.update(schema=99), "has schema 99, this version of evoloss reads 1"),
    "no schema": (lambda d: d.pop("schema"), "it has no entry 'schema'"),
    "no runs": (lambda d: d.pop("runs"), "runs is missing"),
    "a stranger": (lambda d: d.update(mood="good"), "mood is not a known entry"),
    "an unknown variant": (lambda d: d["runs"][0].update(variant="x"), r"runs\[0\]\.variant is 'x'"),
    "a run twice": (lambda d: d["runs"].append(d["runs"][0]), "the same variant and seed twice"),
    "a score too many": (lambda d: d["runs"][0]["consistency"].append(0.5), "one score for each generation"),
    "a score of 2": (lambda d: d["runs"][0].update(consistency=[0.1, 0.2, 2.0]), "not in 0 to 1"),
    "no end": (lambda d: d["runs"][0].update(measured_at=[10, 20, 25]), "does not rise to the last"),
    "another tau": (lambda d: d["runs"][0].update(kendall_tau=1.5), "expected -1 to 1"),
    "no candidates": (lambda d: d["runs"][0].update(popsize=0), "no candidates"),
    "an edited summary": (lambda d: d["summary"][0].update(n_reached=0), r"summary\[0\] is not what follows"),
    "an edited p": (lambda d: d["comparisons"][0]["generations"].update(p_holm=0.01), r"comparisons\[0\]"),
    "an unknown baseline": (lambda d: d.update(baseline="x"), "'x' is compared with, but is not among"),
    "half a contrast": (lambda d: d.update(contrasts=[["fast"]]), "something else than pairs"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_file_that_breaks_the_schema_is_refused(name: str, tmp_path: Path) -> None:
    make_ablation().write(tmp_path / FILE_NAME)
    damage, message = DAMAGE[name]
    document = json.loads((tmp_path / FILE_NAME).read_text())
    damage(document)
    (tmp_path / FILE_NAME).write_text(json.dumps(document))
    with pytest.raises(ResultsError, match=message):
        Ablation.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": NaN}'])
def test_what_is_no_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(ResultsError, match=r"ablation\.json is not"):
        Ablation.read(tmp_path)


def test_what_breaks_the_schema_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="compared with, but is not among"):
        make_ablation(baseline="fas").write(tmp_path / FILE_NAME)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"consistency": [0.5]}, "does not have one score for each generation"),
        ({"consistency": ["x", 0.5, 0.5]}, r"consistency\[0\] is 'x'"),
        ({"measured_at": [4, 8]}, "one score for each"),
        ({"measured_at": [4, 8, 11]}, "does not rise to the last generation"),
        ({"popsize": 18}, "another seed, popsize or number of generations"),
        ({"seed": 3}, "another seed"),
        ({"kendall_tau": 2.0}, "expected -1 to 1"),
        ({"seconds": None}, "seconds is None; expected a finite number"),
        ({"usable": 1}, "usable is 1; expected true or false"),
        ({"more": 1}, "more is not a known entry"),
    ],
)
def test_a_changed_result_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    one = config(vary=(), variant=("a:",), seeds=(0,))
    ablate(one, out=tmp_path)
    (path,) = (tmp_path / "runs").iterdir()
    content = json.loads(path.read_text())
    content["result"] |= changes
    path.write_text(json.dumps(content))
    with pytest.raises(ResultsError, match="its checksum is wrong"):
        ablate(one, out=tmp_path)
    del content["sha256"]
    path.write_text(json.dumps(content))
    with pytest.raises(ResultsError, match=message) as caught:
        ablate(one, out=tmp_path)
    assert str(path) in str(caught.value)
