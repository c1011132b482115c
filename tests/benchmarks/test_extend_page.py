"""The study that docs/extend/benchmark.md adds has the form of one, runs, and passes the test of the page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import test_layout
from tests.documentation.pages import ROOT, added_lines, blocks

PAGE = ROOT / "docs/extend/benchmark.md"
RUN, TEST = blocks(PAGE, "python")
README = re.findall(r"^````markdown\n(.*?)^````$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
BESIDE = """import benchmarks

benchmarks.__path__.append({folder!r})
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the files of the page, whose study is found beside those that are there."""
    study = tmp_path / "benchmarks/startup"
    study.mkdir(parents=True)
    (study / "run.py").write_text(RUN, encoding="utf-8")
    (study / "README.md").write_text(README[0], encoding="utf-8")
    beside = BESIDE.format(folder=str(study.parent))
    (tmp_path / "conftest.py").write_text(f"import sys\n\nsys.path.append({str(ROOT)!r})\n{beside}")
    (tmp_path / "test_startup.py").write_text(TEST, encoding="utf-8")
    return tmp_path


def python(*words: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd, capture_output=True, text=True, check=False, timeout=2400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def passed(root: Path, *words: str) -> int:
    said = python(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(root), *words), str(root), cwd=root
    )
    found = re.search(r"(\d+) passed", said)
    return int(found[1]) if found else 0


def test_it_has_the_form_of_a_study(root: Path) -> None:
    study = root / "benchmarks/startup"
    test_layout.test_a_readme_answers_the_same_questions(study)
    test_layout.test_files_and_functions_are_short(study / "run.py")
    (row,) = (line for block in blocks(PAGE, "diff") for line in added_lines(block))
    assert row.startswith(f"| [{study.name}]({study.name}/README.md) |")
    head = "| study | question | time on two cores | page |"
    assert row.count("|") == head.count("|")
    assert head in (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_it_runs_at_toy_size(root: Path) -> None:
    assert passed(root, "-k", "not committed and not every_script") == 2


@pytest.mark.slow
def test_it_runs_and_its_whole_test_passes(root: Path) -> None:
    script = BESIDE.format(folder=str(root / "benchmarks"))
    script += "import runpy; runpy.run_module('benchmarks.startup.run', run_name='__main__', alter_sys=True)"
    assert "first call" in python("-c", script, cwd=ROOT)
    assert passed(root) == 4
