"""Comparisons on several data sets: all are checked before the first training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from evoloss.compare.comparison import compare, plan
from evoloss.compare.config import CompareConfig, label_loss
from evoloss.compare.estimate import Estimate, estimate, runs_and_left
from evoloss.compare.joint.folders import folders_of, labels_of
from evoloss.compare.joint.results import OWN_JOINT_FILES, JointResults
from evoloss.compare.results import FILE_NAME, Results
from evoloss.compare.runner import OnRun
from evoloss.compare.training_run import build_loss
from evoloss.data import DATASETS, find_path
from evoloss.errors import CallbackError, ConfigError, EvolossError
from evoloss.executors import Executor
from evoloss.own_files import require_replaceable
from evoloss.training.run_result import OnEpoch
from evoloss.user_paths import real_path

Say = Callable[[str], None]


def compare_datasets(
    configs: Sequence[CompareConfig],
    *,
    out: Path | None = None,
    progress: bool = False,
    executor: Executor | None = None,
    say: Say | None = None,
    warn: Say | None = None,
    on_begin: Say | None = None,
    on_done: Callable[[str, Results], None] | None = None,
    on_run: OnRun | None = None,
    on_epoch: OnEpoch | None = None,
) -> JointResults:
    """Compare the same losses on several data sets, one after the other.

    Each is a comparison of its own (:func:`~evoloss.compare.compare`), with ``out`` in a subfolder that has
    the name of the data set, and goes on there if it was stopped. ``out/joint.json`` has what they say
    together. Models and recipes may differ. All data sets are loaded and checked first, and once more when
    their turn comes, so that no two have to be in memory at once.

    Args:
        configs: one for each data set, with the same losses and the same baseline.
        out: directory of all; None keeps the results in memory.
        progress: show a progress bar for each data set.
        executor: see :func:`~evoloss.compare.compare`.
        say: is told what was done to the data, the data set first, before any training.
        warn: likewise.
        on_begin: is told the name of a data set before its first run.
        on_done: is given the name of its folder, and the results, after the last.
        on_run: see :func:`~evoloss.compare.compare`; ``on_begin`` has told the data set.
        on_epoch: likewise.

    Raises:
        ConfigError: if losses or baselines differ, one comparison is there twice, or ``out`` holds a
            comparison on one data set, or is where the data lies.
        OutputError: if ``out`` holds a ``joint.json`` that evoloss did not write.
        EvolossError: as from :func:`~evoloss.compare.compare`; the message begins with the data set.

    Example:
        >>> from dataclasses import replace
        >>> losses = ("cross_entropy", "evolved-base")
        >>> small = CompareConfig(model="mlp", epochs=1, train_samples=50, losses=losses, seeds=(0,))
        >>> joint = compare_datasets([small, replace(small, label_noise=0.4)])
        >>> [dataset.label for dataset in joint.datasets]
        ['digits-label_noise=0.0', 'digits-label_noise=0.4']
        >>> [(row.loss, row.n_datasets) for row in joint.losses]
        [('cross_entropy', 2), ('evolved-base', 2)]
    """
    folders = _checked(configs, out)
    labels = labels_of(configs)
    for label, folder, config in zip(labels, folders, configs, strict=True):
        with _about(label):
            _check(config, _place(out, folder), executor, _prefixed(say, label), _prefixed(warn, label))
    found: dict[str, Results] = {}
    try:
        for label, folder, config in zip(labels, folders, configs, strict=True):
            if on_begin is not None:
                on_begin(label)
            with _about(label):
                found[folder] = compare(
                    config,
                    out=_place(out, folder),
                    progress=progress,
                    executor=executor,
                    on_run=on_run,
                    on_epoch=on_epoch,
                )
            if on_done is not None:
                on_done(folder, found[folder])
    finally:
        if out is not None:
            _write(folders, configs[0].baseline_label, out)
    return JointResults(found)


def estimate_datasets(
    configs: Sequence[CompareConfig], out: Path, *, say: Say | None = None, warn: Say | None = None
) -> dict[str, Estimate]:
    """Check all that comparisons on several data sets need, and time two epochs of each loss on each.

    Args:
        configs: see :func:`compare_datasets`.
        out: directory of all; runs that lie there count as done, and nothing is written.
        say: see :func:`compare_datasets`.
        warn: likewise.

    Returns:
        The estimate of each, by the name of its data set.

    Raises:
        EvolossError: as from :func:`compare_datasets`.
    """
    folders, found = _checked(configs, out), {}
    for label, folder, config in zip(labels_of(configs), folders, configs, strict=True):
        with _about(label):
            found[label] = estimate(
                config, out / folder, say=_prefixed(say, label), warn=_prefixed(warn, label)
            )
    return found


def _checked(configs: Sequence[CompareConfig], out: Path | None) -> list[str]:
    """The folders of comparisons that have all in common that they have to, and whose place is free."""
    if not configs:
        raise ConfigError("compare_datasets needs at least one configuration")
    first = configs[0]
    for config in configs[1:]:
        for what, ours, theirs in (
            ("losses", [*map(label_loss, config.losses)], [*map(label_loss, first.losses)]),
            ("baselines", [config.baseline_label], [first.baseline_label]),
        ):
            if ours != theirs:
                raise ConfigError(
                    f"{what} differ: {', '.join(ours)} on {config.dataset!r}, {', '.join(theirs)} on "
                    f"{first.dataset!r}; comparisons that are put together need the same"
                )
    folders = folders_of(configs)
    for spec in first.losses:
        build_loss(spec)  # a mistake in its name is not one of a data set
    if out is not None:
        if (out / FILE_NAME).exists():
            raise ConfigError(
                f"{out} holds a comparison on one data set ({FILE_NAME}); choose another directory for "
                "several"
            )
        require_replaceable(out, OWN_JOINT_FILES)
        _require_outside_data(configs, out, folders)
    return folders


def _require_outside_data(configs: Sequence[CompareConfig], out: Path, folders: Sequence[str]) -> None:
    """Refuse to write among images: the next reading would take the folders of results for classes."""
    for config in configs:
        path = find_path(config.dataset, config.data_dir)
        if config.dataset in DATASETS or not path.is_dir():
            continue
        for folder in folders:
            if real_path(out / folder).is_relative_to(real_path(path)):
                raise ConfigError(
                    f"results would be written to {out / folder}, which is in the data set "
                    f"{config.dataset!r}; choose another directory"
                )


def _check(
    config: CompareConfig, out: Path | None, executor: Executor | None, say: Say | None, warn: Say | None
) -> None:
    """Load a data set, try all that its runs need, and look at what lies in its folder."""
    planned, here = plan(config, out=out, executor=executor, say=say, warn=warn)
    if out is not None:
        runs_and_left(planned, out, here)


def _write(folders: Sequence[str], baseline: str, out: Path) -> None:
    """Put together what lies there, earlier calls' results of data sets whose turn has not come included."""
    paths = {folder: out / folder for folder in folders if (out / folder / FILE_NAME).exists()}
    found = {folder: Results.read(path) for folder, path in paths.items()}
    found = {folder: results for folder, results in found.items() if results.baseline == baseline}
    if found:
        JointResults(found).write(out)


def _place(out: Path | None, folder: str) -> Path | None:
    return None if out is None else out / folder


def _prefixed(tell: Say | None, label: str) -> Say | None:
    return None if tell is None else lambda text: tell(f"{label}: {text}")


@contextmanager
def _about(label: str) -> Iterator[None]:
    """Let errors say which data set they are about."""
    try:
        yield
    except EvolossError as error:
        if str(error).startswith(f"data set {label!r}"):
            raise
        told = type(error)(f"data set {label}: {error}")
        if isinstance(error, CallbackError) and isinstance(told, CallbackError):
            told.results = error.results
        raise told from error
