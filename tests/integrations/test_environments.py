"""Oldest versions that tools are tested with are the oldest that pyproject.toml promises."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.integrations.matrix import ENVIRONMENTS, ROOT, pins

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {
    extra: [Requirement(text) for text in requirements]
    for extra, requirements in PROJECT["optional-dependencies"].items()
}
OLDEST = {tool: environment for tool, environment in ENVIRONMENTS.items() if "oldest" in environment}


def bound(requirement: Requirement, operator: str) -> Version | None:
    """The version after an operator, if it is there."""
    found = [Version(one.version) for one in requirement.specifier if one.operator == operator]
    return found[0] if found else None


def promised(package: str, extra: str | None) -> list[Version | None]:
    """Lower bounds of a package: in an extra, or wherever pyproject.toml names it."""
    name = "xgboost" if package == "xgboost-cpu" and extra else package
    among = [EXTRAS[extra]] if extra else EXTRAS.values()
    return [bound(one, ">=") for requirements in among for one in requirements if one.name == name]


@pytest.mark.parametrize("tool", OLDEST)
def test_the_oldest_version_is_the_one_that_is_promised(tool: str) -> None:
    environment = OLDEST[tool]
    extra = environment.get("install")
    tested = {one.name: bound(one, "==") for one in map(Requirement, environment["oldest"])}
    assert tested[environment["package"]] is not None
    for package, version in tested.items():
        if version is not None:
            assert set(promised(package, extra)) <= {version}, package
            assert extra is None or package != environment["package"] or promised(package, extra)


def test_every_extra_for_a_tool_is_tested() -> None:
    """But for those of evoloss's own work, which ``make test`` installs."""
    own = {"experiments", "report", "html", "strategies", "ray", "tables", "demo", "docs", "dev"}
    studies = {"tabular-benchmark", "suspects-benchmark"}
    tested = {environment["install"] for environment in ENVIRONMENTS.values() if "install" in environment}
    assert tested == EXTRAS.keys() - own - studies


def test_pins_hold_for_what_has_no_version() -> None:
    assert "cleanlab==" in pins(["cleanlab"])
    assert "torch==" in pins(["cleanlab==2.7.0", "torchmetrics==1.4.0", "pandas<3"])
    assert "cleanlab==" not in pins(["cleanlab==2.7.0"])
    assert "pandas==" not in pins(["pandas<3", "jsonargparse[signatures]==4.35.0"])
