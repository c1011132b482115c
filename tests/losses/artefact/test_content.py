"""Artefacts whose files are whole and whose content is wrong: each is an ArtefactError."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evoloss.errors import CanonicalFormError, ConfigError
from evoloss.losses.artefact.format import Artefact, write_artefact
from evoloss.losses.evolved import EvolvedLoss
from evoloss.networks import ClasswiseNetwork, ConcatNetwork, LossNetwork, MonotoneNetwork
from tests.losses.evolved_losses import evolved, usable_params
from tests.losses.saved_loss import JSON, config_of, loads_or_is_refused, put, put_tensors, refused, tensors


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    directory = tmp_path / "loss"
    evolved("classwise").save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def rewritten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved loss of which each example writes a file anew."""
    directory = tmp_path_factory.mktemp("fuzz")
    evolved("classwise").save_pretrained(directory)
    return directory


@settings(deadline=None, max_examples=60)
@given(content=st.binary(max_size=200))
def test_foreign_tensors_with_a_right_checksum(content: bytes, rewritten: Path):
    good = config_of(rewritten), (rewritten / "loss.safetensors").read_bytes()
    for body in (content, len(content).to_bytes(8, "little") + content):
        put_tensors(rewritten, body)
        refused(rewritten)
    put_tensors(rewritten, good[1])
    assert config_of(rewritten) == good[0]


@settings(deadline=None, max_examples=60)
@given(key=st.sampled_from(["format", "evoloss_version", "network", "loss_sha256", "record"]), value=JSON)
@pytest.mark.slow
def test_any_json_value_in_the_place_of_another(key: str, value: Any, rewritten: Path):
    good = config_of(rewritten)
    put(rewritten, {**good, key: value})
    loads_or_is_refused(rewritten)
    put(rewritten, good)


@settings(deadline=None, max_examples=60)
@given(key=st.sampled_from(["kind", "hidden", "activation", "features", "n_classes"]), value=JSON)
def test_any_json_value_in_the_network(key: str, value: Any, rewritten: Path):
    good = config_of(rewritten)
    put(rewritten, {**good, "network": {**good["network"], key: value}})
    loads_or_is_refused(rewritten)
    put(rewritten, good)


GOOD = usable_params("classwise")
N = len(GOOD)


def with_duplicate_key() -> bytes:
    entry = f'"params":{{"dtype":"F32","shape":[{N}],"data_offsets":[0,{4 * N}]}}'
    header = f"{{{entry},{entry}}}".encode()
    return len(header).to_bytes(8, "little") + header + bytes(4 * N)


TENSORS: dict[str, tuple[Callable[[], bytes], str]] = {
    "half precision": (lambda: tensors(params=GOOD.half()), "float32 or float64, got torch.float16"),
    "integers": (lambda: tensors(params=torch.ones(N, dtype=torch.int64)), "must be float32 or float64"),
    "too short": (lambda: tensors(params=GOOD[:-1].clone()), rf"must have shape \({N},\).*got \({N - 1},\)"),
    "two axes": (lambda: tensors(params=GOOD[None].clone()), "must have shape"),
    "scalar": (lambda: tensors(params=torch.tensor(1.0)), "must have shape"),
    "NaN": (lambda: tensors(params=torch.full((N,), torch.nan)), "not finite"),
    "infinite": (lambda: tensors(params=torch.full((N,), torch.inf)), "not finite"),
    "another name": (lambda: tensors(weights=GOOD), r"one tensor 'params', got \['weights'\]"),
    "one more": (lambda: tensors(params=GOOD, more=GOOD.clone()), "one tensor 'params'"),
    "none": (lambda: tensors(), "one tensor 'params'"),
    "twice": (with_duplicate_key, "."),
    "header of gigabytes": (lambda: (2**40).to_bytes(8, "little") + b"{}", "is not a safetensors file"),
    "all zero": (lambda: tensors(params=torch.zeros(N)), "holds no usable loss: .*no canonical form"),
    "upside down": (lambda: tensors(params=-GOOD), "holds no usable loss"),
    "huge": (lambda: tensors(params=torch.full((N,), 3e38)), "holds no usable loss"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_mistyped_tensors_with_a_right_checksum(saved: Path, name: str):
    make, text = TENSORS[name]
    put_tensors(saved, make())
    refused(saved, text)


CONFIGS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "newer": (lambda c: {**c, "format": 2, "evoloss_version": "9.1"}, "written by evoloss 9.1; upgrade"),
    "newer with other keys": (lambda c: {"format": 3}, "upgrade evoloss"),
    "no format": (lambda c: {k: v for k, v in c.items() if k != "format"}, "has no format version"),
    "format a bool": (lambda c: {**c, "format": True}, "integer from 1, got True"),
    "format a float": (lambda c: {**c, "format": 1.0}, "integer from 1, got 1.0"),
    "format 0": (lambda c: {**c, "format": 0}, "integer from 1, got 0"),
    "format as text": (lambda c: {**c, "format": "1"}, "integer from 1, got '1'"),
    "one key more": (lambda c: {**c, "more": 1}, "must have the keys"),
    "one key less": (lambda c: {k: v for k, v in c.items() if k != "record"}, "must have the keys"),
    "network missing": (lambda c: {**c, "network": None}, "'network' must be a dict"),
    "record a list": (lambda c: {**c, "record": []}, "'record' must be a dict"),
    "list": (lambda c: [c], "must hold a JSON object, got a list"),
    "number": (lambda c: 3, "must hold a JSON object"),
    "NaN": (lambda c: {**c, "record": {"score": float("nan")}}, "NaN is not a JSON number"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_mistyped_configs(saved: Path, name: str):
    change, text = CONFIGS[name]
    put(saved, change(config_of(saved)))
    refused(saved, text)


DESCRIPTIONS: dict[str, dict[str, Any]] = {
    "unknown kind": {"kind": "transformer"},
    "kind a list": {"kind": ["classwise"]},
    "layers of gigabytes": {"hidden": [10**9, 10**9]},
    "too many layers": {"hidden": [1] * 1000},
    "allowed but not what the file holds": {"hidden": [100, 100]},
    "gigabytes of allowed layers": {"hidden": [1024] * 16},
    "no layers": {"hidden": []},
    "width 0": {"hidden": [4, 0]},
    "width a bool": {"hidden": [True, 4]},
    "hidden as text": {"hidden": "44"},
    "unknown activation": {"activation": "__import__"},
    "unknown features": {"features": "logits"},
    "one field more": {"n_classes": 3},
    "classes of gigabytes": {"kind": "concat", "n_classes": 100_000, "hidden": [1]},
    "negative classes": {"kind": "concat", "n_classes": -1},
    "classes as text": {"kind": "concat", "n_classes": "3"},
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_networks_that_are_none(saved: Path, name: str):
    config = config_of(saved)
    config["network"].update(DESCRIPTIONS[name])
    put(saved, config)
    refused(saved)


def test_a_concat_network_whose_form_would_take_gigabytes(saved: Path):
    config = config_of(saved)
    config["network"] = {
        "kind": "concat",
        "n_classes": 100_000,
        "hidden": [1],
        "activation": "silu",
        "features": "probs",
    }
    put(saved, config)
    put_tensors(saved, tensors(params=torch.ones(200_002)))
    refused(saved, "must be from 2 to 1024")


HOSTILE = "\x1b[2J\u202e[red]" + "x" * 50_000

HOSTILE_CONFIGS: dict[str, Callable[[dict[str, Any]], object]] = {
    "version of a newer one": lambda c: {**c, "format": 2, "evoloss_version": HOSTILE},
    "format": lambda c: {**c, "format": HOSTILE},
    "large format": lambda c: {**c, "format": 10**4000},
    "keys": lambda c: {**c, HOSTILE: 1},
    "many keys": lambda c: {**c, **{f"k{i}": 1 for i in range(20_000)}},
    "record": lambda c: {**c, "record": HOSTILE},
    "kind": lambda c: {**c, "network": {**c["network"], "kind": HOSTILE}},
    "activation": lambda c: {**c, "network": {**c["network"], "activation": HOSTILE}},
    "features": lambda c: {**c, "network": {**c["network"], "features": HOSTILE}},
    "hidden": lambda c: {**c, "network": {**c["network"], "hidden": [1] * 100_000}},
    "hidden text": lambda c: {**c, "network": {**c["network"], "hidden": HOSTILE}},
    "large width": lambda c: {**c, "network": {**c["network"], "hidden": [10**4000]}},
    "large classes": lambda c: {
        **c,
        "network": {**c["network"], "kind": "concat", "n_classes": 10**4000},
    },
    "fields": lambda c: {**c, "network": {**c["network"], HOSTILE: 1}},
}


@pytest.mark.parametrize("name", HOSTILE_CONFIGS)
def test_what_a_stranger_wrote_is_shown_short_and_without_control_characters(saved: Path, name: str):
    put(saved, HOSTILE_CONFIGS[name](config_of(saved)))
    message = refused(saved)
    assert message.isprintable()
    assert len(message) < 1500


def test_a_loss_at_the_bounds_of_its_size_can_be_used():
    wide = ClasswiseNetwork(hidden=(512, 500))
    assert wide.n_params > 250_000
    with pytest.raises(ConfigError, match="may have up to 262144 weights, got 264704 with 4 inputs"):
        ClasswiseNetwork(hidden=(512, 512))
    with pytest.raises(ConfigError, match="up to 262144 weights, got 15005000"):
        ClasswiseNetwork(hidden=(1000, 1000) * 8)
    with pytest.raises(ConfigError, match="up to 16 layers of width 1024"):
        ClasswiseNetwork(hidden=(3900, 3900))
    with pytest.raises(ConfigError, match="up to 262144 weights"):
        ConcatNetwork(n_classes=1000, hidden=(200,))


@pytest.mark.parametrize("kind", ["classwise", "concat", "monotone"])
@pytest.mark.slow
def test_what_is_accepted_is_finite_in_float32(kind: str):
    """Random parameters of every size: a loss is refused, or its costs and gradients are finite."""
    accepted = 0
    for seed in range(300):
        draw = torch.Generator().manual_seed(seed)
        hidden = tuple(torch.randint(1, 6, (2,), generator=draw).tolist())
        network: LossNetwork = {
            "classwise": ClasswiseNetwork(hidden=hidden, activation="softplus"),
            "concat": ConcatNetwork(n_classes=4, hidden=hidden, activation=("silu", "tanh")[seed % 2]),
            "monotone": MonotoneNetwork(hidden=hidden, activation="softplus"),
        }[kind]
        size = 10 ** (torch.rand(network.n_params, generator=draw) * (seed % 60 - 10.0))
        params = (network.initial(draw) * size).clamp(-3e38, 3e38)
        try:
            loss = EvolvedLoss(network, params, reduction="none")
        except (CanonicalFormError, ConfigError):
            continue
        accepted += 1
        logits = torch.randn(200, 4, generator=draw) * torch.logspace(-1, 2.5, 200)[:, None]
        logits.requires_grad_()
        costs = loss(logits, torch.randint(4, (200,), generator=draw))
        costs.sum().backward()
        assert costs.isfinite().all()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
    assert accepted > 10


def test_a_concat_loss_that_overflows_in_float32_is_refused(saved: Path):
    """Its canonical form exists in float64, and float32 has no such numbers."""
    network = ConcatNetwork(n_classes=2, hidden=(2,), activation="softplus", features="probs")
    params = torch.tensor([1e38, -100, -1e35, 1e35, -1e35, -1e35, 1e28, 100, 0, 0, -10, -1e33])
    assert network.form(params[None].double(), 2).exists.item()
    assert network.losses(params[None], torch.tensor([[0.5, 0.5]]).log(), torch.tensor([0])).isnan().all()
    write_artefact(saved, Artefact(network, params, {}))
    refused(saved, r"no usable loss: .* are not finite in float32 at 2 classes")


@pytest.mark.parametrize(
    "content", [b"[" * 200_000, b'{"a":' * 100_000, b"\xff\xfe\x00", b"1" * 10_000, b"nul", b"\x00" * 50]
)
def test_configs_that_are_no_json(saved: Path, content: bytes):
    (saved / "config.json").write_bytes(content)
    refused(saved, r"config\.json (is not JSON|must hold a JSON object)")
