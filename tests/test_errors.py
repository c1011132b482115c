from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from evoloss import errors
from evoloss.errors import EvolossError, MissingExtraError, UnknownNameError

CLASSES = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if cls.__module__ == errors.__name__ and cls is not EvolossError
]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_one_base_catches_every_error(cls: type[Exception]):
    assert issubclass(cls, EvolossError)
    assert inspect.getdoc(cls)


def test_unknown_name_gives_the_nearest_and_the_whole_list():
    error = UnknownNameError.among("loss", "focl", {"gce": 1, "focal": 2})
    assert str(error) == "no loss 'focl'. Did you mean 'focal'? Known: gce, focal"
    assert isinstance(error, LookupError)


def test_of_names_that_are_near_one_with_two_letters_swapped_is_meant():
    assert "Did you mean 'gce'?" in str(UnknownNameError.among("loss", "gec", ["ogc", "gce", "sce"]))


def test_unknown_name_far_from_all_makes_no_suggestion():
    assert str(UnknownNameError.among("map", "zzzz", iter(["tent"]))) == "no map 'zzzz'. Known: tent"


def test_missing_extra_says_what_to_install():
    error = MissingExtraError.of("matplotlib", "report", "drawing figures")
    assert str(error) == (
        "drawing figures needs matplotlib, which is not installed: pip install 'evoloss[report]'"
    )
    assert isinstance(error, ImportError)


def test_an_extra_that_is_too_old_is_not_said_to_be_missing():
    missing = MissingExtraError.of("matplotlib", "report", "drawing figures", ModuleNotFoundError("no"))
    assert "which is not installed" in str(missing)
    error = MissingExtraError.of("matplotlib", "report", "drawing figures", ImportError("no name 'Axes'"))
    assert str(error) == (
        "drawing figures needs matplotlib, which is installed in a version that will not do, or with such "
        "a version of what it needs (no name 'Axes'): pip install 'evoloss[report]'"
    )


def missing(name: str, package: str) -> str:
    try:
        importlib.import_module(name)
    except ImportError as error:
        return str(MissingExtraError.of(package, "some", "a test")) + f" | {type(error).__name__}"
    raise AssertionError


def test_what_is_there_and_cannot_be_imported_is_told_from_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(tmp_path)
    assert missing("nosuchtool", "nosuchtool") == (
        "a test needs nosuchtool, which is not installed: pip install 'evoloss[some]' | ModuleNotFoundError"
    )
    (tmp_path / "sometool.py").write_text("from sometool import Callback\n")  # a script named as the tool
    said = missing("sometool", "sometool")
    assert "needs (cannot import name 'Callback' from partially initialized module 'sometool'" in said
    assert str(tmp_path / "sometool.py") in said
