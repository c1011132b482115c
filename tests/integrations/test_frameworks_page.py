"""Blocks of docs/how-to/frameworks.md run, each section where its tool is installed; its table is right."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from tests.integrations.glue import PAGE, PLAIN, count, lines_of_glue, plain_use, sections
from tests.integrations.matrix import (
    ENVIRONMENTS,
    RESULTS,
    ROOT,
    capabilities,
    files_of,
    outcome,
    requirements_of,
    sources,
)
from tests.integrations.table import row, written
from tests.integrations.torchvision_operators import import_torchvision

TOOLS = {
    "XGBoost": ("xgboost", "sklearn"),
    "LightGBM": ("lightgbm", "sklearn"),
    "Hugging Face": ("transformers", "accelerate"),
    "Lightning": ("lightning",),
    "fastai": ("fastai",),
    "timm": ("timm",),
    "torchmetrics": ("torchmetrics",),
    "MONAI": ("monai",),
    "TabNet": ("pytorch_tabnet", "sklearn"),
    "scikit-learn": ("sklearn",),
    "skorch": ("skorch",),
    "JAX": ("jax", "optax", "sklearn"),
    "Keras": ("keras", "sklearn"),
}
SECTIONS = {name for name, blocks in sections().items() if blocks}


def need(section: str) -> None:
    """Skip where the tool of a section is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if section == "timm":
            try:
                import_torchvision()
            except ImportError as error:
                pytest.skip(f"needs timm and torchvision: {error}")
        for module in TOOLS[section]:
            pytest.importorskip(module)


def test_every_section_with_code_is_run() -> None:
    assert set(TOOLS) == SECTIONS
    assert {path.name for path in PLAIN.glob("*.py")} == {
        f"{name.lower().replace(' ', '_').replace('-', '_')}.py" for name in SECTIONS
    }


# What tools say of what they are built on, and of toy tasks.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("section", TOOLS)
def test_a_section(section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # it looks when it is imported
    need(section)
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": "page"}
    for code in sections()[section]:
        exec(compile(code, f"{PAGE.name}: {section}", "exec"), scope)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("section", TOOLS)
def test_its_plain_use_runs_too(section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be no measure of what evoloss adds."""
    need(section)
    monkeypatch.chdir(tmp_path)
    exec(compile(plain_use(section), f"plain use: {section}", "exec"), {"__name__": "plain"})


@pytest.mark.parametrize("section", TOOLS)
def test_a_section_has_two_lines_of_glue_at_most(section: str) -> None:
    assert "evoloss" not in plain_use(section).partition('"""\n')[2]
    most = 8 if section == "JAX" else 2  # a pure function is handed its state, which the page shows
    assert 1 <= lines_of_glue(section) <= most


def test_lines_of_glue_are_statements_that_are_new_or_changed() -> None:
    plain = "import a\nx = a.fit(\n    1,\n    2,\n)\nprint(x)\n"
    assert count("import a, b\nx = a.fit(1, 2)  # same\nprint(x, b)\n", plain) == 0
    assert count("import b\nx = a.fit(1, 2, loss=b)\n", plain) == 1
    assert count("x = a.fit(1, 2)\ny = 3\nfor i in y:\n    z = i\n", plain) == 3


def test_the_table_is_what_came_of_the_tests() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert written(text) == text, "python -m tests.integrations.table --write"


def test_results_are_of_tools_that_are_listed() -> None:
    wanted = {
        f"{tool}-{end}.json"
        for tool, environment in ENVIRONMENTS.items()
        for end in ("newest", "oldest")
        if end in environment
    }
    assert {path.name for path in RESULTS.glob("*.json")} <= wanted
    for path in RESULTS.glob("*.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        tool = result["tool"]
        assert result["requirements"] == requirements_of(tool, result["end"])
        assert result.get("reason") or (result["passed"] and set(result["works"]) <= set(capabilities(tool)))


@pytest.mark.parametrize("tool", ENVIRONMENTS)
def test_every_tool_has_a_section_or_a_page(tool: str) -> None:
    assert row(tool).count(" | ") == 6
    environment = ENVIRONMENTS[tool]
    if "page" not in environment:
        assert environment.get("section", environment["title"]) in SECTIONS
        return
    text = (PAGE.parent / environment["page"]).read_text(encoding="utf-8")
    assert f"\n## {environment['section']}\n" in text if "section" in environment else text
    assert all(word in text for word in environment.get("option", "").split())
    for name in (*environment["tests"], *environment["sources"]):
        assert (ROOT / name.partition("::")[0]).exists(), name


def test_a_capability_is_what_passed_and_did_not_fail() -> None:
    report = """<testsuites><testsuite>
    <testcase classname="tests.test_x" name="test_two_epochs_are_a_plain_loop[a]"/>
    <testcase classname="tests.test_x" name="test_class_weights[a]"/>
    <testcase classname="tests.test_x" name="test_class_weights[b]"><failure/></testcase>
    <testcase classname="tests.test_x" name="test_two_processes"><skipped/></testcase>
    <testcase classname="tests.test_x" name="test_it_is_softprob[softmax-no probabilities]"/>
    <testcase classname="tests.test_x" name="test_all_batches_as_one[plain-soft]"/>
    </testsuite></testsuites>"""
    assert outcome(report) == {
        "passed": 4,
        "failed": ["test_x::test_class_weights[b]"],
        "skipped": 1,
        "works": ["equal to a plain loop", "equal to its own objective", "equal to one batch", "soft labels"],
    }


def test_a_tool_is_run_anew_where_its_tests_or_adapters_change() -> None:
    found = [str(path.relative_to(ROOT)) for path in sources(["tests/integrations/test_fastai.py::test_x"])]
    adapters = ("fastai", "model_state", "plan", "training_calls")
    assert found == [
        *(f"src/evoloss/integrations/{name}.py" for name in adapters),
        "tests/integrations/plain_loop.py",
        "tests/integrations/test_fastai.py",
    ]
    found = [str(path.relative_to(ROOT)) for path in files_of("wandb")]
    assert found[0] == "tests/trackers/test_wandb.py"
    assert {"src/evoloss/trackers/wandb.py", "tests/trackers/stores.py"} <= set(found)
