"""Hashes that tell whether a loss or a data set is still the one of an earlier run."""

from __future__ import annotations

import hashlib
import json

from torch import Tensor, nn

from evoloss.data import Dataset
from evoloss.losses import ClassificationLoss
from evoloss.training.user_code import attributes_of, code_of, is_own

LENGTH = 16
"""Hexadecimal digits of a fingerprint."""


def fingerprint_loss(loss: nn.Module) -> str:
    """Hash what a loss is: its description (name, parameters, options, network) and all its tensors.

    The module path of a loss of this package does not enter, so that a file may move. Of any other module
    the class, its place, its printed form, its plain attributes and the source that can be read of it
    (:func:`~evoloss.training.user_code.code_of`) enter as well, so that an edited loss is another one.
    """
    if isinstance(loss, ClassificationLoss):
        described = json.dumps(loss.describe(), sort_keys=True)
    else:
        described = f"{type(loss).__module__}.{type(loss).__qualname__} {loss!r}"
    tensors = [*loss.named_parameters(), *loss.named_buffers()]
    if not is_own(loss):
        values, more = attributes_of(loss)
        described += json.dumps([values, code_of(loss)], sort_keys=True)
        tensors += more.items()
    digest = hashlib.sha256(described.encode())
    for name, tensor in sorted(tensors, key=lambda pair: pair[0]):
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
    contiguous = tensor.detach().cpu().contiguous()
    digest.update(f"{name} {contiguous.dtype} {tuple(contiguous.shape)}".encode())
    digest.update(contiguous.numpy().data)
