"""torchvision beside a PyTorch for CPUs.

Its wheels for Linux are built for CUDA. Beside a PyTorch for CPUs their operators do not load, and it fails
to import. The operators are declared here, without a kernel: what needs none of them works, such as networks
and losses of timm.
"""

from __future__ import annotations

import sys

import torch

_DECLARED = []


def import_torchvision() -> None:
    """Import torchvision, with its operators declared where they are missing.

    Raises:
        ImportError: if it is not installed.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        if not _DECLARED:
            library = torch.library.Library("torchvision", "DEF")
            for operator in ("nms", "qnms"):
                library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _DECLARED.append(library)  # operators go with their library
        import torchvision  # noqa: F401
