"""A loss as a graph of ONNX: logits and targets in, the loss out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.losses import EvolvedLoss
from evoloss.portable.loss import PortableLoss

PRODUCER = "evoloss"


class _Graph(nn.Module):
    def __init__(self, criterion: nn.Module) -> None:
        super().__init__()
        self.criterion = criterion

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        loss: Tensor = self.criterion(logits, target)
        return loss


def graph(loss: PortableLoss, n_classes: int) -> bytes:
    """The bytes of a graph with inputs ``logits`` ``(N, C)`` float32 and ``target`` ``(N,)`` int64.

    Args:
        loss: without a state.
        n_classes: the class count C; N is free.

    Raises:
        ConfigError: if the loss keeps a state, which a graph cannot.
        MissingExtraError: if onnx or onnxscript is not installed.
    """
    if loss.keeps_state:
        raise ConfigError(
            f"loss {loss.name!r} follows its training, and a graph keeps no state: export it as python or jax"
        )
    try:
        import onnx  # noqa: F401 - what torch.onnx needs
        import onnxscript  # noqa: F401 - likewise
    except ImportError as error:
        raise MissingExtraError.of("onnx and onnxscript", "onnx", "exporting to ONNX") from error
    criterion = loss.criterion.eval()
    if isinstance(criterion, EvolvedLoss):
        criterion.exact = True  # tables are for calls that PyTorch makes
    example = torch.zeros(4, n_classes, dtype=torch.float32), torch.zeros(4, dtype=torch.int64)
    batch = torch.export.Dim("batch", min=2)
    with _quietly():
        program = torch.onnx.export(
            _Graph(criterion),
            example,
            input_names=["logits", "target"],
            output_names=["loss"],
            dynamic_shapes=({0: batch}, {0: batch}),
            dynamo=True,
            optimize=True,
            verbose=False,
        )
        assert program is not None
    model = program.model_proto
    model.producer_name = PRODUCER
    model.doc_string = f"loss {loss.label}, {n_classes} classes"
    content: bytes = model.SerializeToString()
    return content


@contextmanager
def _quietly() -> Iterator[None]:
    """A region without the remarks of exporters."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
