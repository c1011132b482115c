"""What docstrings say of attributes is so, first lines say what a thing is or does, names are the field's."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import itertools
import re
import tokenize
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import evoloss

# Modules that need what a plain CPU installation, or no extra of dev, has; or that run when imported.
NOT_IMPORTED = (
    "evoloss.__main__",
    "evoloss.losses.kernels.triton_kernels",
    "evoloss.integrations.fastai",
    "evoloss.integrations.jax",
    "evoloss.integrations.keras",
)

SOURCE = Path(evoloss.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

# A first line is a noun phrase or an imperative. These open a question, or a sentence without its subject.
OPENINGS = frozenset(
    [
        "What",
        "Whether",
        "How",
        "Where",
        "When",
        "Who",
        "Why",
        "Which",
        "Is",
        "Are",
        "Has",
        "Have",
        "Does",
        "Can",
    ]
)

# Names that once stood for something that the field has a word for. Parts of names count, in any case.
BANNED = {
    "each": "a noun for one of what is gone through",
    "judgement": "evaluation, metrics",
    "kept": "cached, stored, selected, valid",
    "looked_up": "interpolated",
    "masses": "weights of the labels",
    "misuse": "validation",
    "picked": "gathered, chosen",
    "plain": "reference, original, the type it has",
    "slotted": "grouped",
    "temper": "exponent",
}

# A run's entry in results files, whose name is promised.
ENTRIES = {"kept"}

# An entry of the section: a name at its indentation, a colon. Continued lines are indented deeper.
ENTRY = re.compile(r"^(\w+):", re.M)


def documented(doc: str) -> list[str]:
    """Names in the Attributes section of a docstring."""
    section = re.search(r"^Attributes:\n((?:    .*\n?|\n)*)", inspect.cleandoc(doc), re.M)
    return [] if section is None else ENTRY.findall(inspect.cleandoc(section[1]))


def classes() -> dict[str, type]:
    found = {}
    for module in walk_packages(evoloss.__path__, "evoloss.", onerror=lambda name: None):
        if not module.name.startswith(NOT_IMPORTED):
            for name, cls in inspect.getmembers(import_module(module.name), inspect.isclass):
                if cls.__module__ == module.name and documented(cls.__doc__ or ""):
                    found[f"{module.name}.{name}"] = cls
    return found


CLASSES = classes()


def test_there_are_such_classes() -> None:
    assert len(CLASSES) > 40


@pytest.mark.parametrize("name", CLASSES)
def test_every_documented_attribute_exists(name: str) -> None:
    cls = CLASSES[name]
    known = set(dir(cls)) | {word for base in cls.__mro__ for word in vars(base).get("__annotations__", {})}
    if not dataclasses.is_dataclass(cls):
        known |= set(re.findall(r"self\.(\w+)(?=[,\w. ]* = |: )", inspect.getsource(cls)))
    assert set(documented(cls.__doc__ or "")) <= known


@pytest.mark.parametrize("name", [name for name, cls in CLASSES.items() if dataclasses.is_dataclass(cls)])
def test_every_field_of_its_own_is_documented(name: str) -> None:
    cls = CLASSES[name]
    own = {word for word in vars(cls).get("__annotations__", {}) if not word.startswith("_")}
    doc = cls.__doc__ or ""
    if "The other fields are those of" not in doc:
        assert own & {field.name for field in dataclasses.fields(cls)} <= set(documented(doc))


def first_lines(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line numbers and first lines of all docstrings, those of attributes included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text.splitlines()[0]
        body = getattr(node, "body", None)
        for first, second in itertools.pairwise(body if isinstance(body, list) else []):
            match first, second:
                case ast.Assign() | ast.AnnAssign(), ast.Expr(value=ast.Constant(value=str(text))):
                    yield second.lineno, text.splitlines()[0]


def words(name: str) -> set[str]:
    """A name in lower case, and its parts: ``_best_pairsOf`` has best, pairs, of, best_pairs and so on."""
    parts = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().strip("_").split("_")
    return {"_".join(parts[i:j]) for i in range(len(parts)) for j in range(i + 1, len(parts) + 1)}


def test_questions_and_words_are_found() -> None:
    """The checks below find what they are for."""
    tree = ast.parse(
        '"""What it is."""\ndef f():\n    """How."""\nX = 1\n"""Whether so."""\nY = 1\n"""One."""\n'
    )
    assert sum(line.split()[0].rstrip(".") in OPENINGS for _, line in first_lines(tree)) == 3
    assert {"looked_up", "plain"} <= words("_isPlain_looked_up")
    assert "each" not in words("reach")


def test_first_lines_of_docstrings_are_noun_phrases_or_imperatives() -> None:
    questions = [
        f"{path.relative_to(SOURCE)}:{number}: {line}"
        for path in FILES
        for number, line in first_lines(ast.parse(path.read_text(encoding="utf-8")))
        if line.split()[0].rstrip(",.:") in OPENINGS
    ]
    assert not questions, "\n".join(questions)


def test_names_are_those_of_the_field() -> None:
    found = {
        f"{path.relative_to(SOURCE)}:{token.start[0]}: {token.string}: {BANNED[word]}"
        for path in FILES
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
        if token.type == tokenize.NAME and token.string not in ENTRIES
        for word in words(token.string) & set(BANNED)
    }
    assert not found, "\n".join(sorted(found))
