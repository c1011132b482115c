"""Learned classification losses: evolved without data, used in place of cross-entropy.

from evoloss import EvolvedLoss
criterion = EvolvedLoss.from_pretrained("evolved-base")
loss = criterion(logits, target)  # as nn.CrossEntropyLoss
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from evoloss._version import __version__

if TYPE_CHECKING:
    from evoloss.losses.catalogue import LossInfo, LossList, Parameter, list_losses
    from evoloss.losses.evolved import EvolvedLoss
    from evoloss.losses.functional import functional
    from evoloss.losses.linear import LinearEvolvedLoss, fused_linear_loss
    from evoloss.losses.resolve import make_loss
    from evoloss.pretraining import PretrainConfig, PretrainResult, pretrain

__all__ = [
    "EvolvedLoss",
    "LinearEvolvedLoss",
    "LossInfo",
    "LossList",
    "Parameter",
    "PretrainConfig",
    "PretrainResult",
    "__version__",
    "functional",
    "fused_linear_loss",
    "list_losses",
    "make_loss",
    "pretrain",
]

# Imported when they are asked for: torch takes a second, and the command line has to say what it can do, and
# to be stopped quietly, before that.
_PLACES = {
    "EvolvedLoss": "evoloss.losses.evolved",
    "LinearEvolvedLoss": "evoloss.losses.linear",
    "LossInfo": "evoloss.losses.catalogue",
    "LossList": "evoloss.losses.catalogue",
    "Parameter": "evoloss.losses.catalogue",
    "functional": "evoloss.losses.functional",
    "fused_linear_loss": "evoloss.losses.linear",
    "list_losses": "evoloss.losses.catalogue",
    "make_loss": "evoloss.losses.resolve",
    "PretrainConfig": "evoloss.pretraining",
    "PretrainResult": "evoloss.pretraining",
    "pretrain": "evoloss.pretraining",
}
_ROOMS = ("fitness", "losses", "networks", "pairs", "pretraining", "strategies", "tasks", "zoo")


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        found = getattr(import_module(_PLACES[name]), name)
    elif name in _ROOMS:
        found = import_module(f"evoloss.{name}")
    else:
        raise AttributeError(f"module 'evoloss' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES, *_ROOMS})


# A module that holds a loss is then safe for PyTorch to load with its weights only, after this import alone.
# Where torch comes later, the first name that is asked for registers the losses.
if "torch" in sys.modules:
    import_module("evoloss.losses")
