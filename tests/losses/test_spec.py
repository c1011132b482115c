from __future__ import annotations

from pathlib import Path

import pytest

from evoloss.errors import ConfigError
from evoloss.losses.spec import LossSpec


@pytest.mark.parametrize(
    ("text", "base", "parameters"),
    [
        ("gce", "gce", {}),
        ("gce:q=0.5", "gce", {"q": 0.5}),
        ("sce:alpha=0.1, beta=1", "sce", {"alpha": 0.1, "beta": 1}),
        ("p.losses:Mine", "p.losses:Mine", {}),
        ("p.losses:Mine:sharp=True,mode=soft-max,k=-3,w=None", "p.losses:Mine", None),
        ("C:/folder/loss", "C:/folder/loss", {}),
        ("./folder:label_smoothing=1e-1", "./folder", {"label_smoothing": 0.1}),
        ("gce:reduction=none", "gce", {"reduction": "none"}),
        ("a=b", "a=b", {}),
        ("", "", {}),
    ],
)
def test_a_text_is_taken_apart(text: str, base: str, parameters: dict[str, object] | None) -> None:
    parsed = LossSpec.parse(text)
    assert parsed.base == base
    assert parsed.parameters == (
        {"sharp": True, "mode": "soft-max", "k": -3, "w": None} if parameters is None else parameters
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gce:q=", "'q=' is not name=value; write parameters as 'gce:q=0.5'"),
        ("gce:q=1,", "'' is not name=value"),
        ("gce:q=1,1=2", "'1=2' is not name=value"),
        ("mine:Loss:file=a/b", "is not name=value"),
        ("mine:Loss:text=a b", "is not name=value"),
        ("gce:q=1,q=2", "has q twice"),
        (":q=1", "has no name before the colon"),
    ],
)
def test_other_forms_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LossSpec.parse(text)


def test_a_folder_that_is_there_keeps_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "mine:q=1"
    folder.mkdir()
    assert LossSpec.parse(str(folder)) == LossSpec(str(folder))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("gce:q=0.50", "gce:q=0.5"),
        ("sce:beta=1.0,alpha=1e-1", "sce:alpha=0.1,beta=1"),
        ("gce:q=0.123456789", "gce:q=0.123456789"),
        ("m:L:a=TRUE,b=none,c=word,d=1e-08", "m:L:a=true,b=none,c=word,d=1e-08"),
        ("gce", "gce"),
    ],
)
def test_two_ways_to_write_one_loss_have_one_name(text: str, name: str) -> None:
    parsed = LossSpec.parse(text)
    assert parsed.with_base(parsed.base) == name
    assert LossSpec.parse(name).with_base(parsed.base) == name
