"""Pretraining: the loop that evolves a loss, its configuration, checkpoints and history."""

from evoloss.pretraining.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from evoloss.pretraining.config import PretrainConfig
from evoloss.pretraining.evaluation.held_out import held_out_pairs, score, score_all
from evoloss.pretraining.evaluation.verdict import Verdict
from evoloss.pretraining.history import GenerationRecord
from evoloss.pretraining.loop import pretrain
from evoloss.pretraining.result import PretrainResult

__all__ = [
    "Checkpoint",
    "GenerationRecord",
    "PretrainConfig",
    "PretrainResult",
    "Verdict",
    "held_out_pairs",
    "pretrain",
    "read_checkpoint",
    "score",
    "score_all",
    "write_checkpoint",
]
