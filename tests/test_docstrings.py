"""What docstrings say of attributes is so."""

from __future__ import annotations

import dataclasses
import inspect
import re
from importlib import import_module
from pkgutil import walk_packages

import pytest

import evoloss

# Modules that need what a plain CPU installation does not have, or that run when they are imported.
NOT_IMPORTED = ("evoloss.__main__", "evoloss.losses.kernels.triton_kernels")

# An entry of the section: a name at its indentation, a colon. Continued lines are indented deeper.
ENTRY = re.compile(r"^(\w+):", re.M)


def documented(doc: str) -> list[str]:
    """Names in the Attributes section of a docstring."""
    section = re.search(r"^Attributes:\n((?:    .*\n?|\n)*)", inspect.cleandoc(doc), re.M)
    return [] if section is None else ENTRY.findall(inspect.cleandoc(section[1]))


def classes() -> dict[str, type]:
    found = {}
    for module in walk_packages(evoloss.__path__, "evoloss."):
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
