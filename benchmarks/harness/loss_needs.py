"""What a loss has to be told: values that somebody sets, facts of the training, the noise rate itself.

The source is the table of ``docs/known-losses.md``, which the tests compare with the losses.
"""

from __future__ import annotations

import re
from functools import cache

from benchmarks.harness.page import DOCS
from evoloss.losses import LOSSES
from evoloss.losses.resolve import resolve_loss
from evoloss.zoo import is_shipped

PAGE = DOCS / "known-losses.md"
ORACLE = "oracle"
SENSING = "the size of the training set"
"""What an evolved loss that keeps a state has to be told."""
_ROW = re.compile(r"^\| `(\w+)` \| (.*) \|([^|]*)\|$", re.MULTILINE)


@cache
def known_needs() -> dict[str, str]:
    """What each known loss has to be told; empty for nothing, :data:`ORACLE` first if it knows the noise."""
    needs = {}
    for name, formula, to_set in _ROW.findall(PAGE.read_text(encoding="utf-8").replace(r"\|", "")):
        words = to_set.replace("`", "").strip()
        needs[name] = f"{ORACLE}: {words}" if ORACLE in formula else words
    return needs


@cache
def keeps_state(loss: str) -> bool:
    """Test whether a known or shipped loss keeps statistics of its training."""
    known = loss in LOSSES or is_shipped(loss)
    return known and getattr(resolve_loss(loss), "loss_state", None) is not None


def need(loss: str) -> str:
    """What a loss has to be told; evolved ones without a state nothing."""
    if loss in LOSSES:
        return known_needs()[loss]
    return SENSING if keeps_state(loss) else ""


def is_free(loss: str) -> bool:
    """Test whether a loss has nothing to set: the size of the training set is known to everybody."""
    return need(loss) in ("", SENSING)
