"""Saved losses, damaged in every way: read them, use them, save them again.

``python -m benchmarks.robustness.artefacts`` rewrites ``results/artefacts.json``; 10,000 trials take about
twenty minutes on a core.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from benchmarks.robustness.campaign import Campaign, Damage, main
from benchmarks.robustness.mutations import damage_bytes, damage_json
from evoloss.losses.artefact.format import Artefact, write_artefact
from evoloss.losses.evolved import EvolvedLoss
from evoloss.networks import ClasswiseNetwork, ConcatNetwork, LossNetwork, MonotoneNetwork
from evoloss.zoo import SHIPPED

NETWORKS: dict[str, LossNetwork] = {
    "classwise": ClasswiseNetwork(hidden=(4, 4)),
    "classwise-probs": ClasswiseNetwork(hidden=(4,), features="probs", activation="tanh"),
    "monotone": MonotoneNetwork(hidden=(4, 4)),
    "concat": ConcatNetwork(hidden=(6,), n_classes=5),
    "concat-deep": ConcatNetwork(hidden=(5, 4), n_classes=3, activation="softplus", features="probs"),
}
RECORD = {
    "title": "A loss",
    "notes": "Some **notes**.",
    "scores": {"2": {"consistency": 0.99, "kendall_tau": 0.9, "spearman_rho": 0.95}},
    "pretraining": {"popsize": 64, "hidden": [4, 4], "regimes": {"boundary": 1.0}},
    "learnability": {"short": {"mean": 0.5, "se": 0.1, "tasks": 12}},
}
LOSS, CONFIG = "loss.safetensors", "config.json"


class ArtefactCampaign(Campaign):
    """Damaged saved losses: their files, their configuration, their parameters under a right checksum."""

    name = "artefacts"

    def prepare(self, folder: Path) -> None:
        """Save a usable loss of every kind."""
        for name, network in NETWORKS.items():
            write_artefact(folder / name, Artefact(network, _usable(network), RECORD))
        for name in SHIPPED:
            EvolvedLoss.from_pretrained(name).save_pretrained(folder / name)

    def trial(self, seed: int, prepared: Path, folder: Path) -> tuple[str, str]:
        """Damage a copy, load it, call it, save it again."""
        draw = random.Random(seed)
        kind = draw.choice(sorted(path.name for path in prepared.iterdir()))
        directory = folder / "loss"
        shutil.copytree(prepared / kind, directory)
        what = draw.choice(sorted(_DAMAGES))
        _DAMAGES[what](directory, draw)
        try:
            outcome = use(directory, folder / "again", seed)
        except Exception as error:
            raise Damage(what) from error
        return what, outcome


def use(directory: Path, again: Path, seed: int) -> str:
    """Load a loss and do what people do with it; ``changed`` if its costs are not finite."""
    loss = EvolvedLoss.from_pretrained(directory)
    n_classes = getattr(loss.network, "n_classes", 10)
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(40, n_classes, generator=draw) * torch.logspace(-1, 2, 40)[:, None]
    logits.requires_grad_()
    target = torch.randint(n_classes, (40,), generator=draw)
    costs = loss(logits, target)
    costs.backward()
    assert logits.grad is not None
    repr(loss)
    loss.save_pretrained(again)
    EvolvedLoss.from_pretrained(again)
    return "read" if bool(costs.isfinite() & logits.grad.isfinite().all()) else "changed"


def _usable(network: LossNetwork) -> Tensor:
    for seed in range(1000):
        params = network.initial(torch.Generator().manual_seed(seed))
        try:
            EvolvedLoss(network, params)
        except Exception:
            continue
        return params
    raise AssertionError(f"no usable loss of {network} among the first 1000")


def _bytes_of(name: str) -> Callable[[Path, random.Random], None]:
    def damage(directory: Path, draw: random.Random) -> None:
        path = directory / name
        path.write_bytes(damage_bytes(path.read_bytes(), draw))

    return damage


def _put_loss(directory: Path, content: bytes) -> None:
    """Another tensor file, with the checksum that belongs to it."""
    (directory / LOSS).write_bytes(content)
    config = json.loads((directory / CONFIG).read_text())
    config["loss_sha256"] = hashlib.sha256(content).hexdigest()
    (directory / CONFIG).write_text(json.dumps(config))


def _tensors(directory: Path, draw: random.Random) -> None:
    _put_loss(directory, damage_bytes((directory / LOSS).read_bytes(), draw))


def _config(directory: Path, draw: random.Random) -> None:
    config = damage_json(json.loads((directory / CONFIG).read_text()), draw)
    (directory / CONFIG).write_text(json.dumps(config))


def _network(directory: Path, draw: random.Random) -> None:
    config = json.loads((directory / CONFIG).read_text())
    config["network"] = damage_json(config["network"], draw)
    (directory / CONFIG).write_text(json.dumps(config))


def _record(directory: Path, draw: random.Random) -> None:
    config = json.loads((directory / CONFIG).read_text())
    config["record"] = damage_json(config["record"], draw)
    (directory / CONFIG).write_text(json.dumps(config))


def _params(directory: Path, draw: random.Random) -> None:
    """Parameters of any size, in the number and type that the network has."""
    params = safetensors.torch.load_file(directory / LOSS)["params"]
    noise = torch.Generator().manual_seed(draw.randrange(2**31))
    size = 10 ** (torch.rand(len(params), generator=noise, dtype=torch.float64) * draw.uniform(0, 40))
    changed = params.double() * (size if draw.random() < 0.7 else size.max())
    unchanged = torch.rand(len(params), generator=noise) < draw.choice((0.0, 0.5, 0.9))
    changed = torch.where(unchanged, params.double(), changed)
    dtype = draw.choice((torch.float32, torch.float64))
    if dtype == torch.float32:
        changed = changed.clamp(-3e38, 3e38)
    _put_loss(directory, safetensors.torch.save({"params": changed.to(dtype)}))


def _shape(directory: Path, draw: random.Random) -> None:
    """A network of another legal shape, often a large one, with as many parameters."""
    kind = draw.choice(("classwise", "monotone", "concat"))
    width = draw.choice((1, 8, 64, 512, 1024, 3900))
    hidden = [width] * draw.choice((1, 2, 3, 16))
    network: dict[str, Any] = {"kind": kind, "hidden": hidden, "activation": "softplus"}
    network["features"] = draw.choice(("probs", "log_probs"))
    inputs = 4 if network["features"] == "log_probs" else 3
    if kind == "concat":
        network["n_classes"] = draw.choice((2, 10, 1000, 2048))
        inputs = 2 * network["n_classes"]
    widths = [inputs, *hidden, 1]
    n_params = sum(a * b + b for a, b in itertools.pairwise(widths)) - 1
    if n_params > 20_000_000:
        n_params = 1000  # a file of gigabytes is refused by its size
    config = json.loads((directory / CONFIG).read_text())
    (directory / CONFIG).write_text(json.dumps({**config, "network": network}))
    noise = torch.Generator().manual_seed(draw.randrange(2**31))
    params = torch.randn(n_params, generator=noise) / width**0.5
    _put_loss(directory, safetensors.torch.save({"params": params}))


_DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    "bytes of the config": _bytes_of(CONFIG),
    "bytes of the tensors": _bytes_of(LOSS),
    "tensors with a right checksum": _tensors,
    "values of the config": _config,
    "values of the network": _network,
    "values of the record": _record,
    "sizes of the parameters": _params,
    "shape of the network": _shape,
}


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(ArtefactCampaign(), 10_000)
