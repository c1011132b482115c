"""Counter-based random streams: a generator is a pure function of a seed and a few labels.

Nothing that draws random numbers keeps a hidden state, so a run that is resumed at generation g draws
what an uninterrupted run draws there.
"""

from __future__ import annotations

import hashlib

import torch


def derive_seed(seed: int, *labels: str | int) -> int:
    """Hash a seed and labels to a seed in ``[0, 2**63)``; equal arguments give equal seeds everywhere."""
    text = "\x1f".join([str(seed), *(f"{type(label).__name__}:{label}" for label in labels)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *labels: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a fresh generator for the stream named by ``labels`` under ``seed``."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *labels))
