"""Names that are attacks stay names, wherever on a page they stand."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from evoloss.report.html.comparison import comparison_section
from evoloss.report.html.page import Section, render
from tests.compare.runs import make_results, make_run
from tests.report.html.document import Document
from tests.report.html.made_up import CLASSES, NASTY


@pytest.fixture(scope="module")
def document(page: Path) -> Document:
    return Document(page.read_text())


def test_everything_that_comes_from_a_user_is_escaped(page: Path, document: Document) -> None:
    text = page.read_text()
    for name in CLASSES:
        if "<" in name:
            assert name not in text
    assert "onerror=alert" not in re.sub(r"&lt;.*?&gt;|\\u003c.*?\\u003e", "", text)
    scripts = [attributes for tag, attributes in document.tags if tag == "script"]
    assert [attributes.get("type") for attributes in scripts] == [
        "application/json",
        "application/json",
        None,
        None,
    ]
    assert all("src" not in attributes for attributes in scripts)
    images = [attributes for tag, attributes in document.tags if tag == "img"]
    assert len(images) == 48
    assert all((attributes["src"] or "").startswith("data:image/png;base64,") for attributes in images)
    assert all(set(attributes) == {"src", "alt"} for attributes in images)
    handlers = [name for _, attributes in document.tags for name in attributes if name.startswith("on")]
    assert handlers == []
    # And it is there to be read.
    assert any(NASTY in shown for shown in document.texts)


def test_names_of_losses_and_data_are_escaped_too() -> None:
    runs = [
        make_run(NASTY, seed, 50.0 + seed, dataset=NASTY, model=NASTY, augment=NASTY) for seed in range(3)
    ]
    runs += [
        make_run("b\u202e<b>", seed, 60.0 + seed * seed, dataset=NASTY, model=NASTY) for seed in range(3)
    ]
    config = {NASTY: NASTY, "losses": [NASTY], "data_notes": [NASTY], "class_names": [NASTY, "</title>"]}
    results = make_results(runs=tuple(runs), baseline=NASTY, config=config, created_with={NASTY: NASTY})
    page = render([Section(numbers=comparison_section(results, name=NASTY, written=NASTY))], stem=NASTY)
    found = Document(page)
    assert NASTY not in page
    assert "\u202e" not in "".join(found.texts)
    assert [tag for tag, _ in found.tags].count("script") == 4
    assert "b" not in [tag for tag, _ in found.tags]


def test_the_policy_allows_the_two_scripts_and_no_connection(page: Path, document: Document) -> None:
    (policy,) = [
        attributes["content"] or ""
        for tag, attributes in document.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none';")
    allowed = re.search(r"script-src ([^;]*)", policy)
    assert allowed is not None
    scripts = re.findall(r"<script>(.*?)</script>", page.read_text(), re.S)
    assert allowed[1].split() == [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    ]
    assert "unsafe" not in allowed[1]
