"""Tiny models of transformers with random weights, saved as users have theirs."""

from __future__ import annotations

from pathlib import Path

import torch


def save_vit(folder: Path, *, channels: int = 3, side: int = 8) -> Path:
    """Save a vision transformer for seven classes: config.json and model.safetensors."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=side,
        patch_size=side // 4,
        num_channels=channels,
        num_labels=7,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        ViTForImageClassification(config).save_pretrained(folder)
    return folder


def save_bert(folder: Path) -> Path:
    """Save the configuration of a classifier of texts."""
    from transformers import BertConfig

    BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2).save_pretrained(folder)
    return folder
