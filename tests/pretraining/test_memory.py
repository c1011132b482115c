from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evoloss import PretrainConfig, pretrain
from evoloss.errors import ConfigError
from evoloss.memory import VARIABLE
from evoloss.pretraining.memory import ADVICE, memory_by_component, require_memory_for

TINY = {"popsize": 4, "pairs": 8, "eval_pairs": 8, "classes": [2], "hidden": [2], "generations": 2}
# Each makes another part large, at about half a gigabyte.
LARGE: dict[str, dict[str, Any]] = {
    "the candidates": {"popsize": 10_000, "hidden": [64, 64]},
    "the tables of candidates": {"popsize": 20_000, "n_grid": 600},
    "the pairs": {"pairs": 20_000, "classes": [1000], "slots": 0},
    "the couples of pairs": {"pairs": 60_000},
    "the losses of candidates on pairs": {"popsize": 500, "pairs": 100_000, "n_grid": 0},
    "the held-out pairs": {"eval_pairs": 2000, "classes": [10_000]},
}
# Runs each search in a fork of its own, so that the largest size of each is its own.
MEASURE = """
import json, os, resource, sys, torch
torch.set_num_threads(1)
from evoloss import PretrainConfig, pretrain
from evoloss.errors import CanonicalFormError
for settings in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            pretrain(PretrainConfig(**settings))
        except CanonicalFormError:
            pass  # no usable loss after two generations, which is no matter
        print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(sys.platform != "linux", reason="sizes of processes are in other units elsewhere")
@pytest.mark.slow
def test_estimates_are_within_a_factor_of_two_and_a_half_of_measured_searches() -> None:
    searches = [{**TINY, **settings} for settings in LARGE.values()]
    run = [sys.executable, "-c", MEASURE, json.dumps(searches)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ratios = {
        part: sum(memory_by_component(PretrainConfig(**settings)).values()) / int(line)
        for part, settings, line in zip(LARGE, searches, done.stdout.split(), strict=True)
    }
    assert all(0.4 < ratio < 2.5 for ratio in ratios.values()), ratios


@pytest.mark.parametrize("part", LARGE)
def test_each_part_is_the_largest_somewhere(part: str) -> None:
    parts = memory_by_component(PretrainConfig(**{**TINY, **LARGE[part]}))
    assert max(parts, key=parts.__getitem__) == part
    assert set(parts) <= set(ADVICE)


STUDENTS: dict[str, Any] = {"network": "basis", "fitness": "learnability"}


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"popsize": 10**18}, "lower n_grid, popsize or hidden"),
        ({"pairs": 10**18}, "lower pairs, couples_per_pair"),
        ({"n_grid": 10**24}, "lower n_grid"),
        ({"eval_pairs": 10**18}, "lower eval_pairs"),
        ({"classes": (2, 100_000), "eval_pairs": 10**7}, "lower eval_pairs or the largest of classes"),
        ({"strategy": "pycma", "hidden": (1024, 200)}, "lower popsize or hidden"),
        ({**STUDENTS, "groups": 10**18}, "lower (tasks, rates, groups|popsize, groups or tasks)"),
        ({**STUDENTS, "rates": 10**18}, "lower tasks, rates, groups"),
        ({**STUDENTS, "tasks": 10**24}, "lower (tasks, rates, groups|popsize, groups or tasks)"),
    ],
)
def test_too_much_is_refused_before_any_work(tmp_path: Path, settings: dict[str, Any], advice: str) -> None:
    with pytest.raises(ConfigError, match=f"this search would take .* GB of memory.*{advice}"):
        pretrain(PretrainConfig(**settings), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_shipped_fits_into_two_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "2")
    require_memory_for(PretrainConfig())
    configs = sorted(Path(__file__).parents[2].glob("recipes/*/config.toml"))
    assert configs
    for path in configs:
        require_memory_for(PretrainConfig.from_toml(path))
