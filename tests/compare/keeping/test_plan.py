from __future__ import annotations

import pytest

from evoloss.compare import CompareConfig
from evoloss.compare.keeping.plan import KeepPlan, folder_of, is_folder
from evoloss.errors import ConfigError

NAMES = [
    "gce",
    "GCE",
    "gce:q=0.5",
    "gce:q=0,5",
    "a/b",
    "..",
    ".",
    "-x",
    "é",
    "x" * 300,
    "mine:Loss",
    "evolved-base",
]


def test_every_loss_has_a_folder_of_its_own_inside_whatever_its_name() -> None:
    places = [folder_of(name, 3) for name in NAMES]
    assert len({place.lower() for place in places}) == len(NAMES)
    assert all(map(is_folder, places))
    assert all(len(part) < 100 for place in places for part in place.split("/"))
    assert folder_of("evolved-base", 0) == "kept/evolved-base/seed-0"


@pytest.mark.parametrize(
    "place",
    ["kept/../seed-0", "/kept/a/seed-0", "kept/a/b/seed-0", "kept/a/seed-x", "kept/a", "", "kept/.a/seed-0"],
)
def test_other_places_are_told(place: str) -> None:
    assert not is_folder(place)


def test_the_first_seed_all_or_none() -> None:
    plans = {keep: CompareConfig(seeds=(4, 2), keep=keep).keep_plan for keep in ("all", "first", "none")}
    run = {"read_test": True, "train": {"seed": 2}}
    assert [plans[keep].wants(run) for keep in plans] == [True, False, False]
    assert plans["first"] == KeepPlan(seeds=(4,))
    assert not plans["all"].wants({**run, "read_test": False}), "runs that choose a rate leave nothing"


@pytest.mark.parametrize(
    ("change", "message"),
    [({"keep": "some"}, "keep must be one of all, first, none"), ({"suspects_folds": 1}, "0, or 2 and more")],
)
def test_other_settings_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CompareConfig(**change)  # type: ignore[arg-type]
