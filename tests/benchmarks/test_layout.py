"""Every study has a run, a README that answers the same questions, and a row in the list of studies."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS, RECIPES = ROOT / "benchmarks", ROOT / "recipes"
STUDIES = sorted(path.parent for path in BENCHMARKS.glob("*/run.py"))
HEADINGS = ["Question", "Protocol", "Commands", "Time", "Results"]
every_study = pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
SOURCES = [*BENCHMARKS.rglob("*.py"), *RECIPES.rglob("*.py")]


def test_the_studies_are_found() -> None:
    assert {"chaos", "cifar10_gpu", "speed", "synthetic", "transfer"} <= {study.name for study in STUDIES}


@every_study
def test_a_readme_answers_the_same_questions(study: Path) -> None:
    text = (study / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    assert f"python -m benchmarks.{study.name}.run" in text


@every_study
def test_a_study_is_in_the_list(study: Path) -> None:
    text = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    assert f"| [{study.name}]({study.name}/README.md) |" in text


def _named(pattern: str, documents: list[Path]) -> set[str]:
    texts = (path.read_text(encoding="utf-8") for path in documents)
    return {found for text in texts for found in re.findall(pattern, text)}


def test_every_module_that_the_documents_name_is_there() -> None:
    folders = (ROOT / "docs", BENCHMARKS, RECIPES)
    documents = [ROOT / "README.md", *(path for folder in folders for path in folder.rglob("*.md"))]
    named = _named(r"python -m ((?:benchmarks|recipes)\.[a-z0-9_.]*[a-z0-9_])", documents)
    assert len(named) > 12
    for module in named - {"benchmarks.example.run", "benchmarks.startup.run"}:
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_every_path_that_the_documents_name_is_there() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = _named(r"\b((?:benchmarks|recipes)/[\w./-]*\w)", documents)
    assert len(named) > 20
    assert not {
        path for path in named if not re.search("NAME|STUDY|startup", path) and not (ROOT / path).exists()
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") < 330
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{path.name}: {node.name}"


def test_folders_are_small() -> None:
    for folder in (BENCHMARKS, *(path for path in BENCHMARKS.rglob("*") if path.is_dir())):
        if folder.name == "runs":  # of a comparison in progress; never committed
            continue
        files = [path for path in folder.iterdir() if path.is_file()]
        assert len(files) <= 15, folder
