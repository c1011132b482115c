from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.models import build_model, fingerprint_model
from tests.models.backbones.tiny_vit import save_bert, save_vit

transformers = pytest.importorskip("transformers", reason="the extra transformers is not installed")


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vit(tmp_path_factory.mktemp("models") / "vit")


def build(place: object, shape: tuple[int, ...] = (3, 8, 8), n_classes: int = 4, **options: Any) -> nn.Module:
    return build_model(f"transformers:{place}", input_shape=shape, n_classes=n_classes, **options)


def test_weights_of_the_folder_but_for_the_head(vit: Path) -> None:
    saved = transformers.ViTForImageClassification.from_pretrained(vit)
    network = build(vit, pretrained=True).network
    body = network.vit.state_dict()  # type: ignore[union-attr]
    assert len(body) > 20
    assert all(torch.equal(value, saved.vit.state_dict()[name]) for name, value in body.items())  # type: ignore[arg-type]
    assert not torch.equal(build(vit).network.vit.embeddings.cls_token, body["embeddings.cls_token"])  # type: ignore[union-attr,arg-type]
    assert network.classifier.weight.shape == (4, 16)  # type: ignore[union-attr]


def test_random_weights_follow_torchs_generator(vit: Path) -> None:
    found = []
    for seed in (0, 0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found.append(torch.cat([value.flatten() for value in build(vit).parameters()]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("pretrained", [True, False])
def test_a_pretrained_head_follows_torchs_generator_whatever_its_size(pretrained: bool, vit: Path) -> None:
    # Seven classes are what the file has a head for, which is not taken.
    heads = []
    for seed in (0, 0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build(vit, n_classes=7, pretrained=pretrained).network
            heads.append(network.classifier.weight.detach())  # type: ignore[union-attr]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_frozen_trains_the_head(vit: Path) -> None:
    model = build(vit, frozen=True)
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert trained == ["network.classifier.weight", "network.classifier.bias"]


def test_another_size_than_the_model_takes(vit: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"images of 8x8 pixels and fails on those of 16x16.*--image-size 8"
    ):
        build(vit, (3, 16, 16))


def test_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="kind 'bert', of which transformers has no image classifier"):
        build(save_bert(tmp_path / "bert"))


def test_code_that_comes_with_a_model_is_not_run(vit: Path, tmp_path: Path) -> None:
    config = json.loads((vit / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "code.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    with pytest.raises(ConfigError, match=r"reading config\.json failed"):
        build(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_pickled_weights_are_not_read(vit: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((vit / "config.json").read_bytes())
    torch.save(build(vit).network.state_dict(), tmp_path / "pytorch_model.bin")  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="folder has no weights in safetensors, the one kind that is read"):
        build(tmp_path, pretrained=True)
    assert build(tmp_path)(torch.zeros(2, 3, 8, 8)).shape == (2, 4)


@pytest.mark.parametrize("name", ["nobody/nothing-here", "nothing-here"])
def test_a_name_of_the_hub_is_not_fetched(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: Any, **__: Any) -> None:
        raise AssertionError("nobody asked for the network")

    monkeypatch.setattr("socket.socket.connect", connect)
    with pytest.raises(ConfigError, match=r"configuration cannot be had here.*nothing is fetched without"):
        build(name)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c", "../x", "~/no-such-model"])
def test_a_folder_that_is_not_there(name: str) -> None:
    with pytest.raises(ConfigError, match=r"no folder .*expected one with config\.json"):
        build(name)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model_type": 3}', "{}"])
def test_a_damaged_configuration(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigError, match="model 'transformers:"):
        build(tmp_path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, "is quantised"),
        ({"patch_size": 0}, "building it failed"),
    ],
)
def test_a_configuration_that_cannot_be_trained(
    entry: dict[str, Any], message: str, vit: Path, tmp_path: Path
) -> None:
    config = json.loads((vit / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | entry))
    with pytest.raises(ConfigError, match=message):
        build(tmp_path)


def test_an_adapter_is_refused(vit: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((vit / "config.json").read_bytes())
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigError, match="is a folder of an adapter"):
        build(tmp_path)


def test_half_precision_becomes_float32(vit: Path, tmp_path: Path) -> None:
    config = json.loads((vit / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}))
    assert {parameter.dtype for parameter in build(tmp_path).parameters()} == {torch.float32}


def test_what_the_library_says_is_as_before(vit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logging = transformers.utils.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    build(vit, pretrained=True)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
    assert capsys.readouterr() == ("", "")


def test_the_fingerprint_is_of_the_files_in_use(vit: Path, tmp_path: Path) -> None:
    for path in vit.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    here, there = f"transformers:{vit}", f"transformers:{tmp_path}"
    assert fingerprint_model(here, pretrained=True) == fingerprint_model(there, pretrained=True)
    weights = bytearray((tmp_path / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    assert fingerprint_model(here, pretrained=True) != fingerprint_model(there, pretrained=True)
    assert fingerprint_model(here, pretrained=False) == fingerprint_model(there, pretrained=False)
    assert fingerprint_model("transformers:somebody/model", pretrained=True) is None
    assert fingerprint_model("cnn", pretrained=False) is None


def test_without_transformers(vit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'evoloss\[transformers\]'"):
        build(vit)
