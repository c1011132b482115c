"""Learned classification losses: evolved without data, used in place of cross-entropy.

from evoloss import EvolvedLoss
criterion = EvolvedLoss.from_pretrained("evolved-base")
loss = criterion(logits, target)  # as nn.CrossEntropyLoss
"""

from evoloss._version import __version__
from evoloss.losses.evolved import EvolvedLoss
from evoloss.pretraining import PretrainConfig, PretrainResult, pretrain

__all__ = ["EvolvedLoss", "PretrainConfig", "PretrainResult", "__version__", "pretrain"]
