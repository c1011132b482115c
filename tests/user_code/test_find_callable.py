from __future__ import annotations

import pytest

from evoloss.errors import ConfigError
from evoloss.user_code import find_callable


def test_functions_and_attributes_of_classes_are_found() -> None:
    assert find_callable("math:sqrt", "model")(9.0) == 3.0
    assert find_callable("pathlib:Path.cwd", "model") is not None


@pytest.mark.parametrize("spec", ["math:", ":sqrt", "math"])
def test_other_forms_are_refused_by_their_kind(spec: str) -> None:
    with pytest.raises(ConfigError, match=rf"^model '{spec}' is not of the form 'package.module:callable'"):
        find_callable(spec, "model")
