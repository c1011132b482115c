from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest

from evoloss.errors import ConfigError
from evoloss.memory import VARIABLE, memory_limit, require_memory

PARTS = {"the pairs": 3e9, "the tables": 7e9}
ADVICE = {"the pairs": "pairs", "the tables": "n_grid or popsize"}


def test_the_limit_is_at_most_what_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 2**26 < memory_limit() <= physical


def test_the_limit_of_a_process_counts() -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))\n"
    code += "from evoloss.memory import memory_limit; print(memory_limit())"
    environ = {name: value for name, value in os.environ.items() if name != VARIABLE}
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=environ)
    assert float(done.stdout) == 1e9


def test_the_variable_replaces_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1e6")
    assert memory_limit() == 1e15
    monkeypatch.setenv(VARIABLE, "inf")
    assert memory_limit() == math.inf
    for wrong in ("much", "0", "-1", "nan"):
        monkeypatch.setenv(VARIABLE, wrong)
        with pytest.raises(ConfigError, match=f"{VARIABLE} must be a number above 0, got '{wrong}'"):
            memory_limit()


def test_what_fits_passes_and_what_does_not_names_its_largest_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "10")
    require_memory("this search", PARTS, ADVICE)
    monkeypatch.setenv(VARIABLE, "9.9")
    with pytest.raises(ConfigError) as caught:
        require_memory("this search", PARTS, ADVICE)
    assert str(caught.value).startswith(
        "this search would take about 10 GB of memory, 7 GB of it for the tables, and there are 9.9 GB; "
        "lower n_grid or popsize"
    )
