"""Classification losses, each called exactly like ``nn.CrossEntropyLoss``.

``LOSSES["gce"](q=0.7, reduction="none")`` builds one by name; formulas and sources stand at the classes.
"""

from __future__ import annotations

import torch

from evoloss.losses.base import ClassificationLoss
from evoloss.losses.evolved import EvolvedLoss
from evoloss.losses.joint_batch import JointBatch
from evoloss.losses.known.agce import AgceLoss
from evoloss.losses.known.anl_ce import AnlCeLoss
from evoloss.losses.known.baikal import BaikalLoss
from evoloss.losses.known.base_mda import BaseMdaLoss
from evoloss.losses.known.bi_tempered import BiTemperedLoss
from evoloss.losses.known.brier import BrierLoss
from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.losses.known.dal import DalLoss
from evoloss.losses.known.elr import ElrLoss
from evoloss.losses.known.epsilon_softmax_mae import EpsilonSoftmaxMaeLoss
from evoloss.losses.known.focal import FocalLoss
from evoloss.losses.known.gce import GceLoss
from evoloss.losses.known.jal_ce import JalCeLoss
from evoloss.losses.known.label_probability import LabelProbabilityLoss
from evoloss.losses.known.label_smoothing import LabelSmoothingLoss
from evoloss.losses.known.logit_clip import LogitClipLoss
from evoloss.losses.known.mae import MaeLoss
from evoloss.losses.known.mae_star import MaeStarLoss
from evoloss.losses.known.maxsup import MaxSupLoss
from evoloss.losses.known.nce_rce import NceRceLoss
from evoloss.losses.known.ngl import NglLoss
from evoloss.losses.known.ogc import OgcLoss
from evoloss.losses.known.phuber import PhuberLoss
from evoloss.losses.known.poly1 import Poly1Loss
from evoloss.losses.known.sce import SceLoss
from evoloss.losses.known.smoothed_log import SmoothedLogLoss
from evoloss.losses.processes import Processes
from evoloss.losses.state import LossState, strip_loss_state
from evoloss.networks import NETWORKS, NoiseRate

__all__ = [
    "LOSSES",
    "AgceLoss",
    "AnlCeLoss",
    "BaikalLoss",
    "BaseMdaLoss",
    "BiTemperedLoss",
    "BrierLoss",
    "ClassificationLoss",
    "CrossEntropyLoss",
    "DalLoss",
    "ElrLoss",
    "EpsilonSoftmaxMaeLoss",
    "EvolvedLoss",
    "FocalLoss",
    "GceLoss",
    "JalCeLoss",
    "LabelProbabilityLoss",
    "LabelSmoothingLoss",
    "LogitClipLoss",
    "MaeLoss",
    "MaeStarLoss",
    "MaxSupLoss",
    "NceRceLoss",
    "NglLoss",
    "NoiseRate",
    "OgcLoss",
    "PhuberLoss",
    "Poly1Loss",
    "SceLoss",
    "SmoothedLogLoss",
    "strip_loss_state",
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
    MaeStarLoss,
    PhuberLoss,
    LogitClipLoss,
    EpsilonSoftmaxMaeLoss,
    DalLoss,
    BaseMdaLoss,
    OgcLoss,
    ElrLoss,
)

LOSSES: dict[str, type[ClassificationLoss]] = {loss.name: loss for loss in _KNOWN}

# torch.load with weights_only=True reads a module that holds a loss, for it takes what is listed here.
_PARTS = (EvolvedLoss, LossState, JointBatch, Processes)
torch.serialization.add_safe_globals([*_KNOWN, *_PARTS, *NETWORKS.values()])
