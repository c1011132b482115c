from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.models import MODELS, build_model

LARGE = {"resnet18", "wrn16_4", "wrn28_10", "wrn40_2", "resnet56"}

PARAMETERS = {
    "mlp": 411_146,
    "cnn": 47_322,
    "cnn_small": 61_338,
    "resnet8": 75_290,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet56": 853_018,
    "resnet18": 11_173_962,
    "wrn16_4": 2_748_890,
    "wrn28_10": 36_479_194,
    "wrn40_2": 2_243_546,
}


def test_every_model_has_its_published_size() -> None:
    with torch.device("meta"):
        sizes = {
            name: sum(
                p.numel() for p in build_model(name, input_shape=(3, 32, 32), n_classes=10).parameters()
            )
            for name in MODELS
        }
    assert sizes == PARAMETERS


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"wrn28_10"}))
@pytest.mark.parametrize("input_shape", [(1, 8, 8), (3, 13, 9), (1, 28, 28)])
def test_logits_for_odd_sizes_and_one_channel(name: str, input_shape: tuple[int, ...]) -> None:
    model = build_model(name, input_shape=input_shape, n_classes=7).eval()
    logits = model(torch.randn(2, *input_shape, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2, 7)
    assert bool(torch.isfinite(logits).all())
    # A model that ignored its input would pass a check of shapes alone.
    assert not torch.equal(logits[0], logits[1])


@pytest.mark.parametrize("name", sorted(set(MODELS) - LARGE))
def test_gradient_reaches_every_parameter(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name, input_shape=(1, 8, 8), n_classes=4)
    logits = model(torch.randn(16, 1, 8, 8))
    F.cross_entropy(logits, torch.arange(16) % 4).backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert without == []


@pytest.mark.parametrize("name", sorted(set(MODELS) - LARGE))
def test_same_seed_same_weights_and_logits_of_order_one_at_the_start(name: str) -> None:
    models = []
    for seed in (0, 0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            models.append(build_model(name, input_shape=(3, 32, 32), n_classes=10))
    first, again, other = (torch.cat([p.flatten() for p in m.parameters()]) for m in models)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    inputs = torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert 0.02 < float(models[0](inputs).detach().std()) < 5


@pytest.mark.parametrize("name", ["cnn", "cnn_small", "resnet8", "wrn16_4"])
def test_channels_last_gives_the_same_logits_and_is_kept(name: str) -> None:
    model = build_model(name, input_shape=(3, 16, 16), n_classes=5).eval()
    inputs = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    expected = model(inputs)
    actual = model.to(memory_format=torch.channels_last)(inputs.to(memory_format=torch.channels_last))
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_mlp_takes_features() -> None:
    assert build_model("mlp", input_shape=(5,), n_classes=3)(torch.zeros(4, 5)).shape == (4, 3)


def test_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no model 'resnet2'\. Did you mean 'resnet"):
        build_model("resnet2", input_shape=(3, 32, 32), n_classes=10)


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"mlp"}))
def test_image_models_refuse_features_and_tiny_images(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}.*use 'mlp' for features"):
        build_model(name, input_shape=(20,), n_classes=3)
    with pytest.raises(ConfigError, match="at least 8x8 pixels, got 4x4"):
        build_model(name, input_shape=(3, 4, 4), n_classes=3)


def test_one_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="n_classes must be at least 2, got 1"):
        build_model("mlp", input_shape=(3,), n_classes=1)
