"""The work of the engine benchmark: its network, its pairs, and the files that the peers read."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evoloss.networks import LOG_P_FLOOR, ClasswiseNetwork
from evoloss.networks.mlp import PopulationMLP
from evoloss.pairs import Pairs, sample_pairs
from evoloss.pretraining import PretrainConfig
from evoloss.random_streams import stream


@dataclass(frozen=True, kw_only=True)
class TwoFeatureNetwork(ClasswiseNetwork):
    """A classwise network that sees ``log p / 4`` and the label flag: the network of this benchmark."""

    @property
    def mlp(self) -> PopulationMLP:
        """The network without its features."""
        return PopulationMLP(2, tuple(self.hidden), self.activation)

    def inputs(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        """Feature rows ``(M, 2)`` at log-probabilities ``(M,)``."""
        flag = torch.as_tensor(is_label, dtype=log_p.dtype, device=log_p.device).expand_as(log_p)
        return torch.stack([log_p / 4, flag], dim=-1)

    def tangents(self, log_p: Tensor, is_label: bool | Tensor, n_classes: int) -> Tensor:
        """The derivative of :meth:`inputs` with respect to log p, ``(M, 2)``."""
        return torch.stack([torch.full_like(log_p, 0.25), torch.zeros_like(log_p)], dim=-1)


NETWORK = TwoFeatureNetwork(hidden=(16, 16))


@dataclass(frozen=True, kw_only=True)
class Work:
    """The size of the work.

    Attributes:
        popsize: candidates a generation.
        pairs: pairs a generation.
        classes: the class count.
        couples_per_pair: each pair is compared with so many others.
        sigma: first step size.
        batches: batches of pairs that the peers use in turn.
        starts: start means; the search of seed s begins at number ``s % starts``.
    """

    popsize: int
    pairs: int
    classes: int
    couples_per_pair: int
    sigma: float
    batches: int
    starts: int

    @property
    def config(self) -> PretrainConfig:
        """The same work as a configuration of :func:`evoloss.pretrain`."""
        return PretrainConfig(
            classes=(self.classes,),
            pairs=self.pairs,
            popsize=self.popsize,
            strategy="snes",
            sigma=self.sigma,
            objective="sign",
            couples_per_pair=self.couples_per_pair,
        )


def write_workload(work: Work, directory: Path) -> None:
    """Write what :class:`benchmarks.speed.peers.serving.Workload` reads."""
    batches = [draw(work, "batch", position) for position in range(work.batches)]
    np.save(directory / "log_probs.npy", torch.stack([pairs.log_probs for pairs in batches]).numpy())
    np.save(directory / "target.npy", torch.stack([pairs.target for pairs in batches]).numpy())
    starts = [make_start(work.classes, seed) for seed in range(work.starts)]
    np.save(directory / "starts.npy", torch.stack(starts).numpy())
    sizes = {
        "popsize": work.popsize,
        "sigma": work.sigma,
        "hidden": NETWORK.hidden[0],
        "couples_per_pair": work.couples_per_pair,
    }
    (directory / "workload.json").write_text(json.dumps(sizes))


def draw(work: Work, *labels: str | int) -> Pairs:
    """A batch of pairs with log-probabilities cut at the floor, where ours has its network end.

    Ours goes on below it by a rule of its own (see :mod:`evoloss.networks.kinds.classwise`), which the peers
    are spared.
    """
    generator = stream(0, "engine benchmark", *labels)
    pairs = sample_pairs(PretrainConfig().pairs_mixture, work.pairs, work.classes, generator)
    return replace(pairs, log_probs=pairs.log_probs.clamp(min=LOG_P_FLOOR))


def make_start(n_classes: int, seed: int) -> Tensor:
    """A random start, with the sign of the last layer that lets it push the label's probability up."""
    start = NETWORK.initial(stream(seed, "engine benchmark", "start"))
    if not bool(NETWORK.form(start[None], n_classes).exists):
        start[-NETWORK.hidden[-1] :] *= -1
    return start


def first_batch(directory: Path) -> Pairs:
    """The first batch of a workload."""
    log_probs, target = (np.load(directory / f"{name}.npy")[0] for name in ("log_probs", "target"))
    return Pairs(torch.from_numpy(log_probs), torch.from_numpy(target), torch.zeros(len(target)))
