"""Pages from code, links into the repository, and docstrings as Markdown."""

from __future__ import annotations

import doctest
import logging
from importlib import import_module
from pathlib import Path

import pytest

from evoloss.cli import COMMANDS
from evoloss.losses import LOSSES
from evoloss.losses.catalogue import list_losses
from evoloss.zoo import SHIPPED
from website import command_pages, links, loss_figures, loss_pages
from website.rst import formulas, to_markdown


@pytest.mark.parametrize("module", ["rst", "tables", "gains"])
def test_examples(module: str) -> None:
    assert doctest.testmod(import_module(f"website.{module}")).failed == 0


def test_roles_of_sphinx_become_markdown() -> None:
    text = "Cost.\n\n.. math:: a +\n    b\n\nSee :class:`~a.B`, ``x`` and :math:`p_y\n^2`."
    assert to_markdown(text) == "Cost.\n\n$$\na + b\n$$\n\nSee `a.B`, `x` and $p_y ^2$."
    assert formulas(text) == ["a + b"]


@pytest.mark.parametrize("name", [*SHIPPED, *LOSSES])
def test_a_loss_has_a_page_with_all_that_is_known_of_it(name: str) -> None:
    page = loss_pages.pages()[f"losses/{name}.md"]
    info = list_losses().named(name)
    assert page.startswith("# ")
    assert f'make_loss("{name}"' in page
    assert f"figures/{name}.svg" in page
    assert "## Results" in page
    for parameter in info.parameters:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{parameter.name}` |")]
        assert f"{parameter.default:g}" in row
        assert row.split(" | ")[-1].strip(" |"), "where the default comes from"
    if info.kind == "known":
        assert "$" in page.split("## Use")[0], "a formula"
        assert info.reference.split(",")[0] in page
    else:
        assert "## Card" in page
    for role in (":math:", ":func:", ":class:", "``gce``"):
        assert role not in page


def test_curves_are_at_several_class_counts_where_that_makes_a_difference(tmp_path: Path) -> None:
    assert list(loss_figures.curves("gce")) == ["gce"]
    assert list(loss_figures.curves("brier")) == ["2 classes", "10 classes", "100 classes", "1,000 classes"]
    assert list(loss_figures.curves("evolved-noise")) == ["A = 0", "A = 0.5", "A = 1"]
    loss_figures.draw("brier", tmp_path / "brier.svg")
    drawn = (tmp_path / "brier.svg").read_text(encoding="utf-8")
    assert all(label in drawn for label in ("2 classes", "1,000 classes", "cross-entropy"))


def test_the_reference_has_the_help_of_every_command() -> None:
    page = command_pages.page()
    for name in COMMANDS:
        assert f"## evoloss {name}\n" in page
    assert "--label-noise" in page
    assert "\x1b" not in page


INCLUDED = {"benchmarks/README.md": "benchmarks/index.md", "recipes/README.md": "recipes/index.md"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[s](../benchmarks/README.md)", "[s](benchmarks/index.md)"),
        ("[r](../recipes/README.md#made)", "[r](recipes/index.md#made)"),
        ("[c](../CITATION.cff)", "c (`CITATION.cff`)"),
        ("[`benchmarks/run`](../benchmarks/run)", "`benchmarks/run`"),
        ("[g](glossary.md)", "[g](glossary.md)"),
        ("[u](https://example.org) [a](#here)", "[u](https://example.org) [a](#here)"),
        ("```\n[x](../nowhere.md)\n```", "```\n[x](../nowhere.md)\n```"),
    ],
)
def test_links_that_leave_the_pages(text: str, expected: str) -> None:
    assert links.rewrite(text, "docs/adaptive.md", "adaptive.md", INCLUDED) == expected


def test_links_of_a_page_that_was_moved() -> None:
    text = "[t](../../docs/transfer.md) [b](../README.md)"
    moved = links.rewrite(text, "benchmarks/transfer/README.md", "benchmarks/transfer.md", INCLUDED)
    assert moved == "[t](../transfer.md) [b](index.md)"


def test_a_dead_link_is_a_warning_that_fails_a_strict_build(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="mkdocs"):
        links.rewrite("[x](../gone.py)", "docs/adaptive.md", "adaptive.md", INCLUDED)
    (record,) = caplog.records
    assert "docs/adaptive.md has a link to '../gone.py'" in record.getMessage()
