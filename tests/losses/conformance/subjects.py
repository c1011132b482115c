"""The losses that the conformance tests run over: known, every kind of evolved loss, the shipped ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from evoloss import EvolvedLoss
from evoloss.losses import LOSSES, ClassificationLoss
from evoloss.zoo import SHIPPED
from tests.losses.cases import in_evaluation
from tests.losses.evolved_losses import CONCAT_CLASSES, EVERY_NETWORK, evolved
from tests.losses.known.formulas import OTHER_PATHS
from tests.sampling import sampled

C = CONCAT_CLASSES


@dataclass(frozen=True)
class Subject:
    """A loss under test; ``build(**options)`` makes it."""

    name: str
    build: Callable[..., ClassificationLoss]
    any_count: bool = True

    @property
    def is_evolved(self) -> bool:
        """Whether it has parameters."""
        return self.name.startswith("evolved") or self.name in SHIPPED


KNOWN = [Subject(name, in_evaluation(build)) for name, build in (LOSSES | OTHER_PATHS).items()]
KINDS = [Subject(f"evolved {kind}", partial(evolved, kind), "concat" not in kind) for kind in EVERY_NETWORK]
SHIPPED_LOSSES = [
    Subject(name, in_evaluation(partial(EvolvedLoss.from_pretrained, name))) for name in SHIPPED
]
EVOLVED = KINDS + SHIPPED_LOSSES
WITH_PARAMETERS = [subject for subject in EVOLVED if subject.name != "adaptive"]
"""Without the one that is cross-entropy, whatever its parameters, as long as nothing has been sensed."""
SUBJECTS = KNOWN + EVOLVED


def over(subjects: list[Subject], *, every: int = 1) -> pytest.MarkDecorator:
    """A test for each of these losses; all but every so many-th are among the slow tests."""
    return pytest.mark.parametrize("subject", sampled(subjects, every), ids=lambda subject: subject.name)
