"""Results of comparisons on several data sets, and their file ``joint.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from evoloss._version import __version__
from evoloss.atomic_files import write_text
from evoloss.compare.joint.statistics import (
    DatasetDifference,
    JointSummary,
    joint_differences,
    joint_summaries,
)
from evoloss.compare.results import FILE_NAME, Results
from evoloss.errors import ResultsError
from evoloss.own_files import holds_json
from evoloss.safe_text import one_line, quoted
from evoloss.sweeps.decoding import DecodeError, build
from evoloss.sweeps.documents import lay_out, parse_document, read_document

SCHEMA = 1
"""Version of the layout of the file."""
JOINT_FILE = "joint.json"
OWN_JOINT_FILES = {JOINT_FILE: holds_json("schema", "datasets", "differences")}
"""The mark by which the file is recognised; another of its name is not replaced."""


@dataclass(frozen=True, kw_only=True)
class JointDataset:
    """One data set of several.

    Attributes:
        label: its name; that of its folder, where two data sets have one name.
        folder: of its comparison, in that of all.
        complete: whether all planned runs are there.
        model: of its runs; None, as all below, where there are none yet.
        n_classes: classes.
        n_train: training samples.
        n_test: test samples.
        baseline_accuracy: mean of the baseline over its seeds, in percent.
    """

    label: str
    folder: str
    complete: bool
    model: str | None
    n_classes: int | None
    n_train: int | None
    n_test: int | None
    baseline_accuracy: float | None


@dataclass(frozen=True)
class JointResults:
    """All that comparisons on several data sets found.

    Attributes:
        comparisons: results of each by the name of its folder, in the order in which they were asked for.

    Raises:
        ResultsError: if there are none, or their baselines differ.

    Example:
        >>> from evoloss.compare import CompareConfig, compare
        >>> config = CompareConfig(model="mlp", epochs=1, train_samples=50, losses=("gce",), seeds=(0,))
        >>> joint = JointResults({"digits": compare(config)})
        >>> [dataset.label for dataset in joint.datasets], [row.loss for row in joint.losses]
        (['digits'], ['gce'])
    """

    comparisons: Mapping[str, Results]

    def __post_init__(self) -> None:
        if not self.comparisons:
            raise ResultsError("there is no comparison to put together")
        baselines = list(dict.fromkeys(results.baseline for results in self.comparisons.values()))
        if len(baselines) > 1:
            raise ResultsError(
                f"the comparisons in {', '.join(self.comparisons)} have different baselines "
                f"({', '.join(one_line(name) for name in baselines)}), so their differences cannot be put "
                "together; compare with one --baseline"
            )

    @property
    def judged(self) -> str:
        """The epoch or round of a training that counts, such as the ``last epoch``; all that there are."""
        return " or ".join(dict.fromkeys(results.judged for results in self.comparisons.values()))

    @property
    def baseline(self) -> str:
        """The loss that the others are compared with."""
        return next(iter(self.comparisons.values())).baseline

    @property
    def complete(self) -> bool:
        """Tell whether all planned runs of all data sets are there."""
        return all(results.complete for results in self.comparisons.values())

    @cached_property
    def datasets(self) -> list[JointDataset]:
        """Every data set."""
        return [_dataset(label, folder, self.comparisons[folder]) for folder, label in self._labels().items()]

    @cached_property
    def losses(self) -> list[JointSummary]:
        """Every loss over all data sets."""
        return joint_summaries(self._by_label())

    @cached_property
    def differences(self) -> list[DatasetDifference]:
        """Every loss but the baseline on every data set."""
        return joint_differences(self._by_label())

    def write(self, directory: Path) -> None:
        """Write ``joint.json``: what follows from the comparisons, whose own files hold their runs."""
        write_text(directory / JOINT_FILE, self.text())

    def text(self) -> str:
        """The content of ``joint.json``."""
        head = {
            "schema": SCHEMA,
            "complete": self.complete,
            "created_with": {"evoloss": __version__},
            "baseline": self.baseline,
        }
        tables: dict[str, list[dict[str, Any]]] = {
            "datasets": [asdict(row) for row in self.datasets],
            "losses": [asdict(row) for row in self.losses],
            "differences": [asdict(row) for row in self.differences],
        }
        return lay_out(head, tables, "these results")

    @classmethod
    def read(cls, directory: Path) -> JointResults:
        """Read the comparisons in a directory: those that its ``joint.json`` names, else all subfolders'.

        Raises:
            ResultsError: if there are none, or one is missing or damaged.
        """
        return cls({name: Results.read(directory / name) for name in _folders(directory)})

    def _labels(self) -> dict[str, str]:
        """Labels of the data sets, by their folders."""
        names = {
            folder: results.runs[0].dataset if results.runs else folder
            for folder, results in self.comparisons.items()
        }
        counts = Counter(names.values())
        return {folder: name if counts[name] == 1 else folder for folder, name in names.items()}

    def _by_label(self) -> dict[str, Results]:
        return {label: self.comparisons[folder] for folder, label in self._labels().items()}


def holds_several(directory: Path) -> bool:
    """Test whether a directory holds comparisons on several data sets and none of its own."""
    if not directory.is_dir() or (directory / FILE_NAME).exists():
        return False
    return (directory / JOINT_FILE).exists() or bool(_subfolders(directory))


@dataclass(frozen=True, kw_only=True)
class _Document:
    """The file as it is laid out."""

    schema: int
    complete: bool
    created_with: dict[str, str]
    baseline: str
    datasets: tuple[JointDataset, ...]
    losses: tuple[dict[str, Any], ...]  # both follow from the comparisons, which are read
    differences: tuple[dict[str, Any], ...]


def _folders(directory: Path) -> list[str]:
    if not (directory / JOINT_FILE).exists():
        return _subfolders(directory)
    path = directory / JOINT_FILE
    text = read_document(path, "evoloss compare --dataset A B --out DIR")
    content = parse_document(text, str(path), kind="a file of joint results", schema=SCHEMA)
    try:
        folders = [row.folder for row in build(_Document, content).datasets]
    except DecodeError as error:
        raise ResultsError(f"{path}: {one_line(error, 600)}") from error
    for folder in folders:
        if Path(folder).name != folder or folder == "..":
            raise ResultsError(f"{path}: {quoted(folder)} is no name of a folder beside it")
    return folders


def _subfolders(directory: Path) -> list[str]:
    """The names of subfolders with results, in the order of the alphabet."""
    return sorted(path.parent.name for path in directory.glob(f"*/{FILE_NAME}"))


def _dataset(label: str, folder: str, results: Results) -> JointDataset:
    run = results.runs[0] if results.runs else None
    accuracies = [row.mean_test_accuracy for row in results.losses if row.loss == results.baseline]
    return JointDataset(
        label=label,
        folder=folder,
        complete=results.complete,
        model=None if run is None else run.model,
        n_classes=None if run is None else run.n_classes,
        n_train=None if run is None else run.n_train,
        n_test=None if run is None else run.n_test,
        baseline_accuracy=accuracies[0] if accuracies else None,
    )
