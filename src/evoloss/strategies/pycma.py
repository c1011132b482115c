"""CMA-ES as implemented by pycma, behind the interface of the other strategies, as a reference.

Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772; package ``cma``.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evoloss.errors import ConfigError, MissingExtraError
from evoloss.mutation import Mutation
from evoloss.strategies.checks import require_popsize, require_positive, require_start, require_told
from evoloss.strategies.protocol import StrategyState
from evoloss.strategies.shaping import rejected


@dataclass
class _Live:
    """A running optimiser of pycma: what the state with this digest leads to when it is replayed."""

    digest: bytes
    optimiser: Any
    asked: list[np.ndarray[Any, np.dtype[np.float64]]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class PyCMA:
    """CMA-ES with a full covariance matrix, run by pycma.

    The state holds a seed, the start and the told fitness of every generation; all else follows from these,
    so a state from a checkpoint is brought back by replaying the told generations (which takes about as
    long as they took without the fitness). A running optimiser is kept beside it to spare the replay in
    ordinary use. The cost of a generation grows with the square of the number of parameters, now and then
    with its cube.

    Args:
        popsize: candidates a generation, at least 2.
        sigma: first step size, above 0, in units of the parameters.
        mutation: must be None; pycma draws its own Gaussian noise.

    Raises:
        ConfigError: for a field outside its range, or a mutation.
        MissingExtraError: on first use, where ``cma`` is not installed.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> strategy = PyCMA(popsize=8, sigma=0.3)
        >>> candidates, state = strategy.ask(strategy.init(torch.ones(3), generator), generator)
        >>> state = strategy.tell(state, candidates, fitness=candidates.square().sum(1))
        >>> strategy.mean(state).shape
        torch.Size([3])
    """

    popsize: int = 64
    sigma: float = 0.1
    mutation: Mutation | None = None
    _cache: dict[str, _Live] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the fields."""
        require_popsize(self.popsize)
        require_positive("sigma", self.sigma)
        if self.mutation is not None:
            raise ConfigError(
                "pycma draws its own Gaussian noise, so mutation must be None; choose another strategy for "
                f"{type(self.mutation).__name__}"
            )

    def init(self, mean: Tensor, generator: torch.Generator) -> StrategyState:
        """Start at ``mean``, shape ``(n_params,)`` with at least two entries; draws the seed of pycma."""
        require_start(mean)
        if mean.numel() < 2:
            raise ConfigError("pycma needs at least 2 parameters, got 1")
        return {
            "start": mean.detach().clone(),
            "seed": torch.randint(2**62, (), generator=generator),
            "told": torch.empty(0, self.popsize, dtype=torch.float64),
        }

    def ask(self, state: StrategyState, generator: torch.Generator) -> tuple[Tensor, StrategyState]:
        """Return candidates of shape ``(popsize, n_params)``; ``generator`` is not used."""
        asked = torch.from_numpy(np.stack(self._live(state).asked))
        return asked.to(state["start"].dtype), dict(state)

    def tell(self, state: StrategyState, candidates: Tensor, fitness: Tensor) -> StrategyState:
        """Append the fitness to the state; ``candidates`` must be those that ``ask`` returned."""
        require_told(candidates, fitness, self.popsize, state["start"].numel())
        live = self._live(state)
        row = fitness.detach().to(device="cpu", dtype=torch.float64)
        after = {**state, "told": torch.cat((state["told"], row.unsqueeze(0)))}
        _tell(live, row, self.popsize)
        live.digest = _digest(after)
        return after

    def parents_of(self, fitness: Tensor) -> None:
        """Return None: pycma weighs the candidates itself."""

    def mean(self, state: StrategyState) -> Tensor:
        """Return the mean of the search distribution, shape ``(n_params,)``."""
        mean = np.asarray(self._live(state).optimiser.mean, dtype=np.float64)
        return torch.from_numpy(mean.copy()).to(state["start"].dtype)

    def _live(self, state: StrategyState) -> _Live:
        """Return the optimiser that has been told what ``state`` holds, and asked once more."""
        digest = _digest(state)
        live = self._cache.get("live")
        if live is None or live.digest != digest:
            live = _Live(digest, _new_optimiser(state, self.sigma, self.popsize))
            live.asked = live.optimiser.ask(self.popsize)
            for row in state["told"]:
                _tell(live, row, self.popsize)
            self._cache["live"] = live
        return live


def _new_optimiser(state: StrategyState, sigma: float, popsize: int) -> Any:
    """Build pycma's optimiser with a random source of its own, so that numpy's global one is left alone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about plots, which are not used here
            import cma
    except ImportError as error:
        raise MissingExtraError.of("cma", "strategies", "the strategy 'pycma'") from error
    source = np.random.default_rng(int(state["seed"]))
    options = {
        "popsize": popsize,
        "randn": lambda *shape: source.standard_normal(shape),
        "seed": np.nan,
        "verbose": -9,
        "verb_log": 0,
        "verb_disp": 0,
    }
    return cma.CMAEvolutionStrategy(state["start"].double().numpy(), sigma, options)


def _tell(live: _Live, fitness: Tensor, popsize: int) -> None:
    """Tell one generation and ask for the next; a generation without accepted candidates teaches nothing."""
    out = rejected(fitness)
    if not bool(out.all()):
        # pycma wants numbers; it looks at their order, so any one above the others will do.
        worst = float(fitness[~out].max())
        finite = torch.where(out, worst + abs(worst) + 1.0, fitness)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about stopping, which is the caller's
            live.optimiser.tell(live.asked, finite.tolist())
    live.asked = live.optimiser.ask(popsize)


def _digest(state: StrategyState) -> bytes:
    """Hash a state, so that the running optimiser is used for the state it belongs to and no other."""
    hashed = hashlib.sha256()
    for name in ("start", "seed", "told"):
        hashed.update(f"{name}{state[name].dtype}{tuple(state[name].shape)}".encode())
        hashed.update(state[name].contiguous().numpy().tobytes())
    return hashed.digest()
