from __future__ import annotations

import pytest

from evoloss.diagnostics import inspect_loss, readings
from evoloss.diagnostics.agreements import AGREEMENTS, readings_over
from evoloss.diagnostics.inspection import Inspection
from evoloss.diagnostics.readings import START
from evoloss.losses import EvolvedLoss
from tests.losses.evolved_losses import evolved


@pytest.fixture(
    scope="module",
    params=[(0.0, 0.5, 1.0), pytest.param(AGREEMENTS, marks=pytest.mark.slow)],
    ids=["few", "all"],
)
def paced(request: pytest.FixtureRequest) -> dict[float, Inspection]:
    """A loss at several agreements, each of which takes a second."""
    loss = EvolvedLoss.from_pretrained("evolved-noise")
    return {a: inspect_loss(loss.at_agreement(a), n_classes=10) for a in request.param}


def test_one_agreement_is_read_as_it_is() -> None:
    loss = evolved("paced").at_agreement(0.5)
    inspection = inspect_loss(loss, n_classes=4)
    assert readings_over({0.5: inspection}) == readings(inspection)


def test_the_first_steps_are_those_at_chance(paced) -> None:
    own = {reading.diagnostic: reading for reading in readings_over(paced)}
    start = own[START]
    assert start.meaning.startswith("first steps (A = 0): cross-entropy's learning rates carry over\n")
    later = sorted(paced)[1:]
    ratios = [value for a in later for value in paced[a].landmarks.gradient_at_uniform.values()]
    assert f"later (A = {later[0]} to 1) a prediction that is unsure" in start.meaning
    assert f"pulls {min(ratios):.2g} to {max(ratios):.2g} times as much" in start.meaning
    assert start.value.startswith("A = 0: 1, 1, 1, 1")
    assert start.value.count("\n") == len(later)


def test_what_holds_everywhere_is_said_once_and_what_changes_with_its_range(paced) -> None:
    for over, *single in zip(readings_over(paced), *map(readings, paced.values()), strict=True):
        for said, texts in (
            (over.value, [reading.value for reading in single]),
            (over.meaning, [reading.meaning for reading in single]),
        ):
            if len(set(texts)) == 1 and over.diagnostic != START:
                assert said == texts[0]
            elif over.diagnostic != START:
                assert all(f": {text}" in said for text in texts)
                assert said.startswith("A = 0")
    assert len(readings_over(paced)) == len(readings(paced[0.0]))
