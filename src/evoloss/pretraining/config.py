"""The configuration of a pretraining run: one flat frozen dataclass, read from and written to TOML."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import tomli_w

from evoloss.errors import ConfigError, UnknownNameError
from evoloss.fitness import LearnabilityConfig, Objective, RankingConfig, Scoring
from evoloss.mutation.chaotic import Drives
from evoloss.mutation.orders import Order
from evoloss.networks import DEFAULT_GRID, NETWORKS, Features, NetworkOptions
from evoloss.pairs import DEFAULT_WEIGHTS, ErrorKind, PairsConfig
from evoloss.pretraining.field_types import fits, require_names, require_types, type_name
from evoloss.pretraining.names import (
    ActivationName,
    MapName,
    MutationName,
    NetworkName,
    PriorName,
    StartName,
    StrategyName,
)
from evoloss.pretraining.start import require_start
from evoloss.pretraining.toml_files import read_toml
from evoloss.python_settings import make_python
from evoloss.safe_text import quoted
from evoloss.strategies.evolution_strategy import StepControl
from evoloss.tasks import Prior, named_prior

FitnessName = Literal["ranking", "learnability"]
LEAST_GENERATIONS, _MOST_UNTIL_SETTLED = 300, 2000  # of a run that is not told how many
_NO_FILE = "the configuration"
_RANGES = ("prior_classes", "prior_samples", "prior_noise", "prior_features")


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Configuration of a search for a loss. Same configuration, same machine: same bits.

    Raises:
        ConfigError: if a value is outside its range or two contradict each other.
        UnknownNameError: if a name is not registered.

    Example:
        >>> config = PretrainConfig(network="monotone", mutation="chaotic", seed=7)
        >>> PretrainConfig.from_dict(config.to_dict()) == config
        True
    """

    generations: int | None = None
    """Generations to run; a finished run can be resumed with more. Left out, a search by ranking goes on
    until it has settled, from other starts where it is stuck, for 300 generations at least and 2,000 at most;
    a search by learnability runs for 300."""
    seed: int = 0
    """Seed of every random stream, at least 0."""

    network: NetworkName = "classwise"
    """Loss network; each of :data:`evoloss.networks.NETWORKS` says what it is in its ``summary``."""
    hidden: tuple[int, ...] = (8, 8)
    """Widths of the hidden layers, for networks that have any."""
    activation: ActivationName = "auto"
    """Activation; auto is silu, and softplus where the network must be monotone."""
    features: Features = "log_probs"
    """The inputs of the network: log-probabilities (and probabilities), or probabilities only."""

    start: StartName = "random"
    """The start of the search: a random network, numbers set by hand (of sensing networks), or a network that
    imitates a known loss, for networks that can. ``smoothed_log`` is ``-log(p + 1/C)``."""

    fitness: FitnessName = "ranking"
    """The fitness of a candidate: ranking consistency alone, or how well students generalise that were
    trained with it on synthetic tasks, with ranking consistency as a constraint."""
    prior: PriorName = "general"
    """Distribution of the synthetic tasks and students of the learnability fitness."""
    prior_classes: tuple[int, ...] = ()
    """Class counts of the tasks, low and high; empty for the prior's own."""
    prior_samples: tuple[int, ...] = ()
    """Training samples of a task, low and high; empty for the prior's own."""
    prior_noise: tuple[float, ...] = ()
    """Share of wrong training labels, low and high, for every task; empty for the prior's own."""
    prior_features: tuple[int, ...] = ()
    """Input features of the tasks (of each patch, where inputs are made of patches), low and high; empty for
    the prior's own."""
    prior_imbalanced: float | None = None
    """Share of tasks with unequal classes; left out, the prior's own."""
    groups: int = 3
    """Groups of tasks a generation, each of one shape."""
    tasks: int = 4
    """Tasks a group."""
    rates: int = 1
    """Learning rates that every task is trained at; a loss is judged at its best one."""
    scoring: Scoring = "rank"
    """The score of a candidate on a task: by rank among them, or by points over cross-entropy."""
    nll_weight: float = 0.2
    """Weight of the students' calibrated negative log-likelihood beside their accuracy."""
    worst_weight: float = 0.2
    """Weight of a candidate's worst third of tasks beside the mean over all."""
    clean_weight: float = 0.0
    """Fitness lost for each point below cross-entropy on clean tasks, in the worst group of tasks."""
    clean_tolerance: float = 0.5
    """Points of that which are not counted."""
    promote: float = 1.0
    """Share of the candidates, the best ones on short tasks, that long tasks are trained with
    (measured by ``benchmarks.synthetic.promotion``)."""
    ranking_floor: float = 0.9
    """Ranking consistency that a candidate of the learnability fitness should have."""
    ranking_weight: float = 10.0
    """Fitness lost for each unit of consistency below the floor."""
    elites: int = 4
    """So many means of the search, the best on held-out tasks, are judged once more at the end."""
    eval_groups: int = 8
    """Groups of eight held-out tasks that the mean of the search is judged on, half of them long."""

    objective: Objective = "sign"
    """Ranking objective: sign (share of couples in the wrong order), hinge or logistic."""
    margin: float = 0.1
    """Unit of a loss difference in the hinge and logistic objectives; without effect on sign."""
    error: ErrorKind = "one_minus_p"
    """The error by which predictions are ordered."""
    couples_per_pair: int = 4
    """Each pair is compared with so many others."""
    n_grid: int = DEFAULT_GRID
    """Nodes of the tables that stand for classwise candidates; 0 evaluates every network exactly."""

    classes: tuple[int, ...] = (2, 10, 100, 1000)
    """Class counts of the synthetic pairs; the fitness is the mean over them. A concat network takes one."""
    pairs: int = 512
    """Fresh pairs a generation, for each class count."""
    slots: int = 32
    """Columns of a prediction with more classes than this: the likelier half one class each, the rest groups
    of equal classes, so that a generation costs the same at any class count. 0 draws every class, as does
    whatever tells classes apart (concat, dominance, exact evaluation)."""
    regimes: dict[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    """Weights of the regimes of the pairs."""

    strategy: StrategyName = "es_comma"
    """Evolution strategy."""
    popsize: int = 64
    """Candidates a generation."""
    sigma: float = 0.3
    """First step size, in units of the parameters."""
    step_control: StepControl = "csa"
    """Step-size control of es_comma: cumulative adaptation, self-adaptation, or none."""
    learning_rate: float = 0.05
    """Learning rate of Adam in open_es."""
    mutation: MutationName = "gaussian"
    """The noise of the strategy; every kind has variance 1."""
    chaotic_map: MapName = "logistic"
    """Map of the chaotic mutation; without effect on the others."""
    chaos_drives: Drives = "direction"
    """The target of the orbits: every parameter, the step length of a candidate, or both."""
    chaos_order: Order = "orbit"
    """Values along the orbit, or their dependence in time removed: independent draws from the same density,
    or the orbit's values in random order."""

    eval_every: int = 50
    """The mean of the search is scored on held-out pairs every so many generations, and at the end."""
    eval_pairs: int = 1024
    """Held-out pairs for each class count."""
    checkpoint_every: int = 50
    """Generations between checkpoints, when an output directory is given."""
    checkpoint_seconds: float = 30.0
    """A checkpoint is also written when the last one is older than this."""

    def __post_init__(self) -> None:
        make_python(self)
        # TOML and the command line give lists.
        require_types(self, PretrainConfig)
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for name in ("classes", *_RANGES):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        require_names(self)
        self._check_numbers()
        self._check_network()
        self._check_fitness()
        # They check their own fields.
        self.ranking  # noqa: B018
        self.learnability  # noqa: B018
        self.task_prior  # noqa: B018
        PairsConfig(weights=self.regimes, slots=self.slots)

    def _check_network(self) -> None:
        network = NETWORKS[self.network].from_options(self.network_options)
        if self.fitness == "learnability" and not network.has_slopes:
            raise ConfigError(
                "the learnability fitness trains students by the slopes of a loss, which a "
                f"{self.network} network has none of; use another network or fitness='ranking'"
            )
        require_start(self.start, network)
        if self.error == "dominance" and network.tells_classes_apart:
            raise ConfigError(
                f"the error 'dominance' treats classes alike; a {self.network} network does not"
            )

    def _check_fitness(self) -> None:
        """Refuse a prior that no student would be trained on: whoever names one expects that it matters."""
        named = [name for name in ("prior", *_RANGES, "prior_imbalanced") if self._is_changed(name)]
        if self.fitness == "ranking" and named:
            raise ConfigError(
                f"{named[0]} describes the tasks of students, and the ranking fitness trains none: add "
                f"fitness='learnability' (--fitness learnability), or leave {named[0]} out"
            )

    def _is_changed(self, name: str) -> bool:
        return bool(getattr(self, name) != getattr(type(self), name))

    def _check_numbers(self) -> None:
        at_least = {"generations": 0, "seed": 0, "popsize": 2, "pairs": 2, "eval_every": 1, "eval_pairs": 2}
        at_least |= {"elites": 1, "eval_groups": 2}
        for name, least in {**at_least, "checkpoint_every": 1}.items():
            if getattr(self, name) is not None and getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.generations == 0 and self.start == "random":
            raise ConfigError(
                'generations = 0 writes the loss that a search starts from: name it (start = "set_by_hand", '
                "or a known loss), or give at least 1"
            )
        for name in ("sigma", "learning_rate", "checkpoint_seconds"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} must be above 0 and finite, got {getattr(self, name)}")
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise ConfigError(f"classes must name at least one class count, each once, got {self.classes}")
        if not all(2 <= count <= 100_000 for count in self.classes):
            raise ConfigError(f"every class count must be from 2 to 100,000, got {self.classes}")

    @property
    def network_options(self) -> NetworkOptions:
        """The part of the configuration that the network reads."""
        return NetworkOptions(
            hidden=self.hidden,
            activation=None if self.activation == "auto" else self.activation,
            features=self.features,
            classes=self.classes,
        )

    @property
    def most_generations(self) -> int:
        """Generations after which the run ends in any case."""
        if self.generations is not None:
            return self.generations
        return _MOST_UNTIL_SETTLED if self.fitness == "ranking" else LEAST_GENERATIONS

    @property
    def ranking(self) -> RankingConfig:
        """The part of the configuration that the ranking fitness reads."""
        return RankingConfig(
            objective=self.objective,
            margin=self.margin,
            error=self.error,
            couples_per_pair=self.couples_per_pair,
            n_grid=self.n_grid,
        )

    @property
    def learnability(self) -> LearnabilityConfig:
        """The part of the configuration that the learnability fitness reads."""
        names = [setting.name for setting in fields(LearnabilityConfig)]
        return LearnabilityConfig(**{name: getattr(self, name) for name in names})

    @property
    def task_prior(self) -> Prior:
        """The distribution of tasks and students."""
        return named_prior(
            self.prior,
            classes=self.prior_classes,
            samples=self.prior_samples,
            noise=self.prior_noise,
            features=self.prior_features,
            imbalanced=self.prior_imbalanced,
        )

    @property
    def pairs_mixture(self) -> PairsConfig:
        """The mixture of regimes that pairs are drawn from, class by class."""
        return PairsConfig(weights=self.regimes)

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, with lists for tuples: what stands in TOML and JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str = _NO_FILE) -> PretrainConfig:
        """Build a configuration from plain values; the opposite of :meth:`to_dict`.

        Args:
            values: fields by name; those left out have their defaults.
            source: where the values come from, for the error.

        Raises:
            ConfigError: for an unknown key, a value of the wrong type or out of range.
        """
        hints = typing.get_type_hints(cls)
        for key, value in values.items():
            if key not in hints:
                raise UnknownNameError.among(f"setting in {source},", key, hints)
            if not fits(value, hints[key]):
                raise ConfigError(f"{source}: {key} must be {type_name(hints[key])}, got {quoted(value)}")
        try:
            return cls(**values)
        except (ConfigError, UnknownNameError) as error:
            if source == _NO_FILE:
                raise
            raise type(error)(f"{source}: {error}") from error

    @classmethod
    def from_toml(cls, path: str | Path) -> PretrainConfig:
        """Read a configuration file.

        Raises:
            ConfigError: if the file cannot be read, is not TOML, or :meth:`from_dict` objects.
        """
        return cls.from_dict(read_toml(path), str(path))

    def to_toml(self) -> str:
        """The configuration as TOML: every field written out but those that are None, which TOML has not."""
        return tomli_w.dumps({name: value for name, value in self.to_dict().items() if value is not None})
