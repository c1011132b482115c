"""Small runs for tests, and what two runs must share to be the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from evoloss.pretraining import GenerationRecord, PretrainConfig, PretrainResult

TINY: dict[str, Any] = {
    "network": "monotone",  # always has a canonical form, so that a few generations make a loss
    "hidden": (4,),
    "classes": (3,),
    "popsize": 8,
    "pairs": 24,
    "eval_pairs": 32,
    "n_grid": 16,
    "generations": 8,
    "eval_every": 3,
    "checkpoint_every": 3,
}


def tiny(**changes: Any) -> PretrainConfig:
    return PretrainConfig(**{**TINY, **changes})


def untimed_records(history: list[GenerationRecord]) -> list[dict[str, Any]]:
    """The history without its only field that a clock decides."""
    return [{**vars(record), "seconds": None} for record in history]


def same_result(one: PretrainResult, other: PretrainResult) -> bool:
    return torch.equal(one.loss.params, other.loss.params) and untimed_records(
        one.history
    ) == untimed_records(other.history)


def untimed_history(directory: Path) -> list[dict[str, Any]]:
    lines = (directory / "history.jsonl").read_text().splitlines()
    return [{**json.loads(line), "seconds": None} for line in lines]


def saved_params(directory: Path) -> Tensor:
    return safetensors.torch.load_file(directory / "loss.safetensors")["params"]


def saved_state(directory: Path) -> dict[str, Tensor]:
    return safetensors.torch.load_file(directory / "checkpoint.safetensors")


def same_files(one: Path, other: Path) -> bool:
    """Whether two finished runs are equal bit for bit: parameters, history, and the state to go on from."""
    states = saved_state(one), saved_state(other)
    return (
        torch.equal(saved_params(one), saved_params(other))
        and untimed_history(one) == untimed_history(other)
        and states[0].keys() == states[1].keys()
        and all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    )
