"""Pretraining with parts exchanged: any setting varied, the rest fixed, paired seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from evoloss.ablate.results import FILE_NAME, OWN_FILES, Ablation, check_run
from evoloss.ablate.statistics import AblationRun
from evoloss.ablate.variants import Variant, parse_variants
from evoloss.compare.record import describe_environment
from evoloss.directory_lock import hold_directory
from evoloss.errors import CanonicalFormError, ConfigError, UnknownNameError
from evoloss.executors import Executor
from evoloss.own_files import require_replaceable
from evoloss.pretraining import GenerationRecord, PretrainConfig, pretrain
from evoloss.pretraining.config import LEAST_GENERATIONS
from evoloss.python_settings import make_python
from evoloss.sweeps.decoding import DecodeError, build
from evoloss.sweeps.run_files import Run
from evoloss.sweeps.sweep import sweep

KIND = "ablation"
"""The kind of an ablation's runs among the runs of a sweep."""

OnRun = Callable[[int, int], None]

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
) -> Ablation:
    """Pretrain every variant with every seed and compare them.

    With ``out`` every run leaves a file in ``out/runs`` and is not done again, so an ablation that was
    stopped goes on, and variants and seeds can be added; the whole is written to ``out/ablation.json`` at the
    end. Processes with the same configuration may work on one ablation at the same time.

    Args:
        config: what to compare.
        out: directory of the results; None keeps them in memory.
        executor: where runs take place; one after the other in this process by default.
        on_run: called with the number of runs that are done and that are planned, equal ones counted once.

    Raises:
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
    of, done = len({run.key for run in runs}), 0

    def count(run: Run, result: dict[str, Any]) -> None:
        nonlocal done
        done += 1
        if on_run is not None:
            on_run(done, of)

    with nullcontext() if out is None else hold_directory(out, "ablate", shared_by=_identity(config, runs)):
        results = sweep(runs, evolve, folder=out, executor=executor, on_done=count, check=check_evolution)
        records = [
            AblationRun(variant=variant.name, seed=seed, **_tuples(result))
            for (variant, seed), result in zip(planned, results, strict=True)
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


def evolve(settings: dict[str, Any]) -> dict[str, Any]:
    """One pretraining, reduced to what an ablation keeps; plain values in and out, for any executor.

    A search that finds no usable loss is a result, not an error; one that is given up early has no
    consistency at its end.
    """
    config = PretrainConfig.from_dict(settings)
    last = config.most_generations
    history: list[GenerationRecord] = []
    try:
        summary = pretrain(config, on_generation=history.append).summary
    except CanonicalFormError:
        summary = None
    measured = [
        record
        for record in history
        if record.generation % config.eval_every == 0 or record.generation == last
    ]
    given_up = [] if history[-1].generation == last else [last]
    return {
        "popsize": config.popsize,
        "generations": last,
        "measured_at": [*(record.generation for record in measured), *given_up],
        # Six digits: a millionth of the couples is less than one of them.
        "consistency": [
            *(_rounded(record.held_out_consistency, 6) for record in measured),
            *(None for _ in given_up),
        ],
        "kendall_tau": _rounded(None if summary is None else summary["kendall_tau"], 6),
        "usable": summary is not None,
        "seconds": round(history[-1].seconds, 3),
        "advantage": _rounded(history[-1].held_out_advantage, 4),
    }


def check_evolution(run: Run, result: dict[str, Any]) -> None:
    """Raise :class:`DecodeError` where a result that was read is not one of :func:`evolve`."""
    seed = run.config["seed"]
    found = build(AblationRun, {"variant": run.kind, "seed": seed, **result}, "result")
    check_run(found, "result", known=(run.kind,))
    if (found.seed, found.popsize, found.generations) != (
        seed,
        run.config["popsize"],
        run.config["generations"],
    ):
        raise DecodeError("result has another seed, popsize or number of generations than its run")


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _tuples(result: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in result.items()}
