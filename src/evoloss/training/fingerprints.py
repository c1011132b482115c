"""Hashes that tell whether a loss or a data set is still the one of an earlier run."""

from __future__ import annotations

import hashlib

from torch import Tensor, nn

from evoloss.data import Dataset

LENGTH = 16
"""Hexadecimal digits of a fingerprint."""


def fingerprint_loss(loss: nn.Module) -> str:
    """Hash the class of a loss, its printed form and all its tensors."""
    digest = hashlib.sha256(f"{type(loss).__module__}.{type(loss).__qualname__} {loss!r}".encode())
    for name, tensor in sorted(loss.state_dict().items()):
        _add(digest, name, tensor)
    return digest.hexdigest()[:LENGTH]


def fingerprint_dataset(dataset: Dataset) -> str:
    """Hash the inputs and labels of all three splits."""
    digest = hashlib.sha256()
    for name, split in (("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test)):
        _add(digest, f"{name} inputs", split.inputs)
        _add(digest, f"{name} labels", split.labels)
    return digest.hexdigest()[:LENGTH]


def _add(digest: hashlib._Hash, name: str, tensor: Tensor) -> None:
    plain = tensor.detach().cpu().contiguous()
    digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}".encode())
    digest.update(plain.numpy().data)
