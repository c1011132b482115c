"""Two known losses whose published values disagree, each with both of its settings, on digits.

    python -m benchmarks.defaults.run          # trains, writes the results and docs/loss-defaults.md
    python -m benchmarks.defaults.run --page   # writes the page alone, from the committed results

Symmetric cross-entropy has A = -4 in the paper and log 1e-4 = -9.21 in its authors' code; asymmetric
generalised cross-entropy has a = 6, q = 1.5 as a term of NCE+AGCE and a = q = 0.6 alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from benchmarks.harness import command
from benchmarks.harness.markdown import numbers_table
from benchmarks.harness.page import DOCS, Page
from evoloss.compare.record import describe_environment
from evoloss.compare.results import Results
from evoloss.compare.statistics import paired_differences
from evoloss.compare.tuning import best_learning_rate, tuning_seeds
from evoloss.data import Dataset, load_dataset
from evoloss.losses.known.agce import AgceLoss
from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.losses.known.sce import SceLoss
from evoloss.report.ablation_table import format_p
from evoloss.report.tables import HEADERS, caption, table_rows
from evoloss.training import RunResult, TrainConfig, train

OUT = Path(__file__).parent / "results"
SCE, AGCE = "sce, A = -4", "agce, a = 6, q = 1.5"
SETTINGS: dict[str, Callable[[], nn.Module]] = {
    "cross_entropy": lambda: CrossEntropyLoss(),
    SCE: lambda: SceLoss(),
    "sce, A = log 1e-4": lambda: SceLoss(log_zero=math.log(1e-4)),
    AGCE: lambda: AgceLoss(),
    "agce, a = q = 0.6": lambda: AgceLoss(a=0.6, q=0.6),
}
"""Each loss as it is by default, and as it is elsewhere."""
RIVALS = {SCE: "sce, A = log 1e-4", AGCE: "agce, a = q = 0.6"}
NOISE = {"clean": 0.0, "sym40": 0.4}
LR_GRID = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
BASELINE = "cross_entropy"
MODEL = "mlp"
SHOWN = ("loss", "lr", "test accuracy, %", "difference, points", "interval (Holm)", "p (Holm)")


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """Train on digits, clean and with 40 % symmetric label noise."""

    seeds: int = 10
    """Reported runs of each loss."""
    tune_seeds: int = 2
    """Runs for each loss and learning rate while it is chosen on the validation split."""
    epochs: int = 15
    """Of every run."""
    page: bool = False
    """Only write the page from the results that are there."""


def compare_settings(dataset: Dataset, label_noise: float, options: Defaults) -> Results:
    """Choose each loss's rate on the validation split, then train it with every seed."""

    def run(name: str, lr: float, seed: int, *, read_test: bool) -> RunResult:
        config = TrainConfig(
            epochs=options.epochs, lr=lr, label_noise=label_noise, seed=seed, accelerator="cpu"
        )
        return train(dataset, MODEL, SETTINGS[name](), config, loss_name=name, read_test=read_test)

    def tuned(name: str) -> Iterator[RunResult]:
        for lr in LR_GRID:
            for seed in tuning_seeds(options.tune_seeds):
                yield run(name, lr, seed, read_test=False)

    tuning: list[RunResult] = []
    runs: list[RunResult] = []
    for name in SETTINGS:
        found = list(tuned(name))
        tuning += found
        rate = best_learning_rate(found)
        runs += [run(name, rate, seed, read_test=True) for seed in range(options.seeds)]
    return Results(
        config={
            "command": command.command_line(options),
            "label_noise": label_noise,
            "lr_grid": list(LR_GRID),
        },
        created_with=describe_environment(),
        baseline=BASELINE,
        complete=True,
        runs=tuple(runs),
        tuning=tuple(tuning),
    )


def results_path(condition: str, folder: Path = OUT) -> Path:
    """Where the results of a condition are."""
    return folder / f"{condition}.json"


def condition_table(condition: str, folder: Path = OUT) -> list[str]:
    """What was run, each setting against cross-entropy, and the two settings of a loss against each other."""
    results = Results.read(results_path(condition, folder))
    columns = [HEADERS.index(name) for name in SHOWN]
    body = [[cells[place] for place in columns] for cells in table_rows(results)]
    lines = [caption(results), "", *numbers_table(SHOWN, body), ""]
    said = "The two settings of a loss, paired by seed; t-test and 95 % interval, each for itself:"
    return [*lines, said, "", *(_against(results, default, other) for default, other in RIVALS.items())]


def _against(results: Results, default: str, other: str) -> str:
    (row,) = paired_differences([run for run in results.runs if run.loss in (default, other)], default)
    text = f"- `{other}` less `{default}`: {row.mean_difference:+.2f} points"
    if row.ci_low is None or row.ci_high is None or row.p_value is None:
        return f"{text}, no test."
    return f"{text}, 95 % interval {row.ci_low:+.2f} to {row.ci_high:+.2f}, p {format_p(row.p_value)}."


def make_page(folder: Path = OUT) -> Page:
    """The page of the results in a folder."""
    return Page(
        template=Path(__file__).parent / "page.md.in",
        out=DOCS / "loss-defaults.md",
        tables={"condition": lambda name: condition_table(name, folder)},
    )


def main(options: Defaults) -> None:
    """Train and write both."""
    torch.set_num_threads(1)
    if not options.page:
        dataset = load_dataset("digits")
        for condition, label_noise in NOISE.items():
            compare_settings(dataset, label_noise, options).write(results_path(condition))
    make_page().write()


if __name__ == "__main__":
    command.run(Defaults, main)
