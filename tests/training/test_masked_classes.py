"""Models that mask classes are trained and scored as others."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from evoloss.training import TrainConfig, train
from tests.training.blobs import feature_blobs
from tests.training.test_train import QUICK


class MasksClasses(nn.Module):
    """Has a head for five classes, of which three are there."""

    mask = -math.inf

    def __init__(self, input_shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(math.prod(input_shape), n_classes)
        self.register_buffer("absent", torch.arange(n_classes) >= 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.linear(inputs.flatten(1)).masked_fill(self.absent, self.mask)


class MasksWithLowest(MasksClasses):
    """The same with the lowest float32 number."""

    mask = torch.finfo(torch.float32).min


@pytest.mark.parametrize("name", ["MasksClasses", "MasksWithLowest"])
def test_a_model_that_masks_classes_has_not_diverged(name: str) -> None:
    dataset = feature_blobs()
    more = replace(dataset, n_classes=5, class_names=(*dataset.class_names, "fourth", "fifth"))
    result = train(more, f"{__name__}:{name}", nn.CrossEntropyLoss(), TrainConfig(**QUICK))
    assert not result.diverged
    assert result.test_accuracy is not None
    assert result.test_accuracy > 95
    for value in (result.test_nll, result.test_nll_scaled, result.validation_nll, result.temperature):
        assert value is not None
        assert 0 < value < 5
    assert result.n_classes == 5
