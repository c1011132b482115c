"""Functions that an ablation calls back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evoloss.ablate.ablation import AblateConfig, ablate
from evoloss.ablate.statistics import AblationRun
from evoloss.ablate.teller import AblationGeneration
from evoloss.errors import CallbackError
from evoloss.executors import make_executor
from evoloss.pretraining import PretrainConfig
from evoloss.sweeps.finished_run import FinishedRun

BASE = PretrainConfig(generations=4, eval_every=2, popsize=8, pairs=32, classes=(3,), eval_pairs=64)
Ended = FinishedRun[AblationRun]


def config(**changes: Any) -> AblateConfig:
    return AblateConfig(**{"base": BASE, "vary": ("sigma=0.3,1",), "seeds": (0, 1), "target": 0.8, **changes})


def timeless(generations: list[AblationGeneration]) -> list[tuple[object, ...]]:
    return [(g.variant, g.seed, g.run, g.record.generation, g.record.fitness_best) for g in generations]


def test_runs_and_generations_are_told_here_and_elsewhere(tmp_path: Path) -> None:
    here: list[AblationGeneration] = []
    there: list[AblationGeneration] = []
    runs: list[Ended] = []
    quiet = ablate(config(), out=tmp_path / "quiet")
    told = ablate(config(), out=tmp_path / "told", on_run=runs.append, on_generation=here.append)
    with make_executor("processes", workers=1, threads=1) as executor:
        ablate(config(), out=tmp_path / "there", executor=executor, on_generation=there.append)
    assert [run.result for run in runs] == list(told.runs)
    assert [run.consistency for run in told.runs] == [run.consistency for run in quiet.runs]
    names = [{path.name for path in (tmp_path / folder / "runs").iterdir()} for folder in ("quiet", "told")]
    assert names[0] == names[1] == {f"{run.key}.json" for run in runs}
    text = next((tmp_path / "there/runs").iterdir()).read_text()
    assert "fitness_best" not in text, "a history stays out of the file of a run"
    assert timeless(here) == timeless(there)
    assert [(g.variant, g.seed, g.record.generation) for g in here] == [
        (run.result.variant, run.result.seed, number) for run in runs for number in (1, 2, 3, 4)
    ]


def test_runs_that_were_found_are_told_as_such(tmp_path: Path) -> None:
    ablate(config(seeds=(0,)), out=tmp_path)
    runs: list[Ended] = []
    generations: list[AblationGeneration] = []
    ablate(config(), out=tmp_path, on_run=runs.append, on_generation=generations.append)
    assert [(run.result.seed, run.recalled) for run in runs] == [
        (0, True),
        (0, True),
        (1, False),
        (1, False),
    ]
    assert {generation.seed for generation in generations} == {1}


@pytest.mark.parametrize("out", [None, "out"])
def test_an_error_loses_no_run(tmp_path: Path, out: str | None) -> None:
    folder = None if out is None else tmp_path / out
    kept = "in the results of this error" if out is None else "the same call goes on"
    told: list[AblationGeneration] = []

    def fail(generation: AblationGeneration) -> None:
        told.append(generation)
        if len(told) == 6:
            raise ValueError("full")

    with pytest.raises(
        CallbackError, match=f"callback on_generation raised ValueError: full; .*{kept}"
    ) as at:
        ablate(config(), out=folder, on_generation=fail)
    assert len(told) == 6, "no run is begun any more"
    (done,) = at.value.results  # type: ignore[misc]
    assert (done.variant, done.seed, done.usable) == ("sigma=0.3", 0, True)
    if folder is not None:
        runs: list[Ended] = []
        ablate(config(), out=folder, on_run=runs.append)
        assert [run.recalled for run in runs] == [True, False, False, False]
        assert runs[0].result == done


def test_an_error_elsewhere_loses_no_run(tmp_path: Path) -> None:
    def fail(told: object) -> None:
        raise ValueError("full")

    for name in ("on_run", "on_generation"):
        out = tmp_path / name
        with (
            make_executor("processes", workers=1, threads=1) as executor,
            pytest.raises(CallbackError, match=f"callback {name} raised"),
        ):
            ablate(config(), out=out, executor=executor, **{name: fail})  # type: ignore[arg-type]
        assert len(list((out / "runs").glob("*.json"))) >= 1
