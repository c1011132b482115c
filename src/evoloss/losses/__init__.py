"""Classification losses, each called exactly like ``nn.CrossEntropyLoss``.

``LOSSES["gce"](q=0.7, reduction="none")`` builds one by name; formulas and sources stand at the classes.
"""

from __future__ import annotations

from evoloss.losses.agce import AgceLoss
from evoloss.losses.anl_ce import AnlCeLoss
from evoloss.losses.baikal import BaikalLoss
from evoloss.losses.bi_tempered import BiTemperedLoss
from evoloss.losses.brier import BrierLoss
from evoloss.losses.cross_entropy import CrossEntropyLoss
from evoloss.losses.evolved import EvolvedLoss
from evoloss.losses.focal import FocalLoss
from evoloss.losses.gce import GceLoss
from evoloss.losses.jal_ce import JalCeLoss
from evoloss.losses.label_probability import LabelProbabilityLoss
from evoloss.losses.label_smoothing import LabelSmoothingLoss
from evoloss.losses.mae import MaeLoss
from evoloss.losses.maxsup import MaxSupLoss
from evoloss.losses.nce_rce import NceRceLoss
from evoloss.losses.ngl import NglLoss
from evoloss.losses.poly1 import Poly1Loss
from evoloss.losses.sce import SceLoss
from evoloss.losses.semantics import ClassificationLoss
from evoloss.losses.smoothed_log import SmoothedLogLoss

__all__ = [
    "LOSSES",
    "AgceLoss",
    "AnlCeLoss",
    "BaikalLoss",
    "BiTemperedLoss",
    "BrierLoss",
    "ClassificationLoss",
    "CrossEntropyLoss",
    "EvolvedLoss",
    "FocalLoss",
    "GceLoss",
    "JalCeLoss",
    "LabelProbabilityLoss",
    "LabelSmoothingLoss",
    "MaeLoss",
    "MaxSupLoss",
    "NceRceLoss",
    "NglLoss",
    "Poly1Loss",
    "SceLoss",
    "SmoothedLogLoss",
]

_KNOWN: tuple[type[ClassificationLoss], ...] = (
    CrossEntropyLoss,
    LabelSmoothingLoss,
    FocalLoss,
    Poly1Loss,
    GceLoss,
    SceLoss,
    MaeLoss,
    BrierLoss,
    NceRceLoss,
    AgceLoss,
    AnlCeLoss,
    JalCeLoss,
    BaikalLoss,
    BiTemperedLoss,
    MaxSupLoss,
    NglLoss,
    SmoothedLogLoss,
)

LOSSES: dict[str, type[ClassificationLoss]] = {loss.name: loss for loss in _KNOWN}
