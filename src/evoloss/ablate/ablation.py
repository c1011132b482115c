"""Pretraining with parts exchanged: any setting varied, the rest fixed, paired seeds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from evoloss.ablate.results import FILE_NAME, OWN_FILES, Ablation
from evoloss.ablate.run import KIND, check_evolution, run_of
from evoloss.ablate.teller import OnGeneration, OnRun, Teller
from evoloss.ablate.variants import Variant, parse_variants
from evoloss.compare.record import describe_environment
from evoloss.directory_lock import hold_directory
from evoloss.errors import CallbackError, ConfigError, UnknownNameError
from evoloss.executors import Executor
from evoloss.own_files import require_replaceable
from evoloss.pretraining import PretrainConfig
from evoloss.pretraining.config import LEAST_GENERATIONS
from evoloss.python_settings import make_python
from evoloss.sweeps.run_files import Run
from evoloss.sweeps.sweep import sweep

SHORT: dict[str, Any] = {"generations": 100, "eval_every": 5}
"""A run of some seconds, looked at often: what an ablation is of if nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class AblateConfig:
    """An ablation: what is fixed, what varies, and what is timed.

    Raises:
        ConfigError: if a value is outside its range, or a variant makes no valid configuration.
        UnknownNameError: for an unknown setting, value or variant.

    Example:
        >>> config = AblateConfig(vary=("sigma=0.3,1",), seeds=(0, 1, 2))
        >>> [variant.name for variant in config.variants]
        ['sigma=0.3', 'sigma=1']
    """

    base: PretrainConfig = field(default_factory=lambda: PretrainConfig.from_dict(SHORT))
    """The settings that all variants share; the seed is not used. Runs are of one length: where no number of
    generations is named it is the least that a run has by itself, 300."""
    vary: tuple[str, ...] = ()
    """NAME=VALUE,VALUE: a setting and its values; several span a grid."""
    variant: tuple[str, ...] = ()
    """NAME: FIELD=VALUE FIELD=VALUE: one more variant, a named combination of settings."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """One run for each seed and variant; runs of equal seed start alike and see the same pairs."""
    target: float = 0.99
    """Ranking consistency of the search's mean on held-out pairs whose first reaching is timed."""
    baseline: str | None = None
    """Variant that the others are compared with; the first one by default."""
    contrast: tuple[str, ...] = ()
    """VARIANT:REFERENCE: further comparisons."""

    def __post_init__(self) -> None:
        make_python(self)
        if self.base.generations is None:
            object.__setattr__(self, "base", replace(self.base, generations=LEAST_GENERATIONS))
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds must hold at least one seed and none twice; got {self.seeds!r}")
        if not 0.5 < self.target <= 1:
            raise ConfigError(f"target must be above 0.5, which is chance, and at most 1; got {self.target}")
        if not self.variants:
            raise ConfigError("nothing is varied; give vary, such as mutation=gaussian,chaotic, or variant")
        for variant in self.variants:
            for seed in self.seeds:
                variant.config(self.base, seed)
        names = [variant.name for variant in self.variants]
        for name in (self.baseline_name, *(name for pair in self.contrasts for name in pair)):
            if name not in names:
                raise UnknownNameError.among("variant", name, names)

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """Every variant, those of the grid first."""
        return parse_variants(self.vary, self.variant)

    @property
    def baseline_name(self) -> str:
        """Name of the variant that the others are compared with."""
        return self.variants[0].name if self.baseline is None else self.baseline

    @property
    def contrasts(self) -> tuple[tuple[str, str], ...]:
        """The further comparisons, as pairs of names."""
        pairs = []
        for text in self.contrast:
            first, colon, second = text.partition(":")
            if not colon:
                raise ConfigError(f"{text!r} is no contrast; write VARIANT:REFERENCE")
            pairs.append((first.strip(), second.strip()))
        return tuple(pairs)


def ablate(
    config: AblateConfig,
    *,
    out: Path | None = None,
    executor: Executor | None = None,
    on_run: OnRun | None = None,
    on_generation: OnGeneration | None = None,
) -> Ablation:
    """Pretrain every variant with every seed and compare them.

    With ``out`` every run leaves a file in ``out/runs`` and is not done again, so an ablation that was
    stopped goes on, and variants and seeds can be added; the whole is written to ``out/ablation.json`` at the
    end. Processes with the same configuration may work on one ablation at the same time.

    Args:
        config: what to compare.
        out: directory of the results; None keeps them in memory.
        executor: where runs take place; one after the other in this process by default.
        on_run: called in this process with a :class:`~evoloss.sweeps.finished_run.FinishedRun` for every run
            as soon as its result is known and written, equal ones once; those that were found in ``out``
            (``recalled``) included.
        on_generation: called in this process with an :class:`~evoloss.ablate.teller.AblationGeneration` for
            every generation of the runs that this call does: as it ends, or, where runs take place elsewhere,
            when its run has ended.

    Raises:
        CallbackError: if ``on_run`` or ``on_generation`` raised; its ``results`` are the runs that are done,
            a tuple of :class:`~evoloss.ablate.statistics.AblationRun`.
        InUseError: if another process does something else in ``out``.
        EvolossError: if runs failed, or ``out`` holds files that are damaged, or an ``ablation.json`` that
            evoloss did not write.

    Example:
        >>> base = PretrainConfig(generations=2, popsize=8, pairs=64, network="mixture", classes=(3,))
        >>> found = ablate(AblateConfig(base=base, vary=("sigma=0.3,1",), seeds=(0,)))
        >>> [(run.variant, run.seed) for run in found.runs]
        [('sigma=0.3', 0), ('sigma=1', 0)]
    """
    if out is not None:
        require_replaceable(out, OWN_FILES)
    # Seeds outside, so that an ablation that is stopped early has whole pairs.
    planned = [(variant, seed) for seed in config.seeds for variant in config.variants]
    runs = [Run(KIND, variant.config(config.base, seed).to_dict()) for variant, seed in planned]
    teller = Teller(planned, runs, on_run, on_generation, out)
    with nullcontext() if out is None else hold_directory(out, "ablate", shared_by=_identity(config, runs)):
        try:
            results = sweep(
                runs,
                teller.function(executor),
                folder=out,
                executor=executor,
                on_done=teller.on_done,
                check=check_evolution,
                unpack=teller.unpack,
            )
        except CallbackError as error:
            error.results = tuple(teller.done)
            raise
        records = [
            run_of(variant, seed, result) for (variant, seed), result in zip(planned, results, strict=True)
        ]
        ablation = Ablation(
            created_with=describe_environment(),
            base=config.base.to_dict(),
            variants={known.name: known.settings for known in config.variants},
            baseline=config.baseline_name,
            contrasts=config.contrasts,
            target=config.target,
            runs=tuple(records),
        )
        if out is not None:
            ablation.write(out / FILE_NAME)
    return ablation


def _identity(config: AblateConfig, runs: Sequence[Run]) -> list[Any]:
    """The identity of an ablation, shared by all that work on one directory: all that its results say."""
    names = [variant.name for variant in config.variants]
    return [names, [run.key for run in runs], config.baseline_name, config.contrasts, config.target]
