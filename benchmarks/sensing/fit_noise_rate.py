"""The fit of ``criterion.noise_rate`` to synthetic tasks, and what it is worth on tasks that were not fitted.

    python -m benchmarks.sensing.fit_noise_rate                    # all of it, one to two hours
    python -m benchmarks.sensing.fit_noise_rate --groups 4 --steps 50 --weights FILE   # to see it run

Courses of trainings are kept in a file, a group of tasks a line, and are not made again. Groups are
left out in three parts in turn: what is said of tasks that were not fitted, and how wide an interval has to
be to hold nine of ten of them, is said by them. The networks that are written are fitted to all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.harness import command
from benchmarks.harness.results import update_record
from benchmarks.sensing.noise_tasks import PRIORS, Course, group_courses
from evoloss.networks.sensing import noise_rate
from evoloss.networks.sensing.noise_rate import WIDEST, before_memorising, combined, epoch_estimates, inputs

HIDDEN = 8
LEAST_WIDTH = 0.008
FOLDS = 3
NETWORKS = 3
COVERED = 0.9
WITHIN = 0.05
WEIGHTS = Path(noise_rate.__file__).with_suffix(".json")


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Fit the estimate of the share of wrong labels."""

    groups: int | None = None
    """Groups of tasks of each prior, four tasks each; all of them by default."""
    steps: int = 1000
    """Steps of the fit."""
    courses: Path = Path("build/noise_courses.jsonl")
    """Where courses are kept."""
    weights: Path = WEIGHTS
    """Where the numbers of the fit go."""
    out: Path = Path(__file__).parent / "results/noise_rate_fit.json"
    """Where goes what it is worth on tasks that were not fitted."""


class Network(nn.Module):
    """The network of :mod:`evoloss.networks.sensing.noise_rate`, in training.

    Args:
        mean: of the inputs.
        deviation: of the inputs.
    """

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.mean, self.deviation = mean, deviation
        self.hidden, self.last = nn.Linear(len(mean), HIDDEN), nn.Linear(HIDDEN, 4)
        with torch.no_grad():
            self.last.weight.mul_(0.3)
            self.last.bias.copy_(torch.tensor([0.0, 0.0, 0.0, -2.5]))

    def forward(self, scaled: Tensor, bounds: Tensor) -> tuple[Tensor, Tensor]:
        """Share and mean error of epochs."""
        out = self.last(torch.tanh(self.hidden(scaled)))
        parts = out[:, :3].softmax(1)
        return (parts[:, 1:] * bounds).sum(1), F.softplus(out[:, 3]) + LEAST_WIDTH

    def numbers(self) -> dict[str, Any]:
        """As plain numbers, of six digits."""
        tensors = {
            "mean": self.mean,
            "deviation": self.deviation,
            "hidden": self.hidden.weight,
            "hidden_bias": self.hidden.bias,
            "last": self.last.weight,
            "last_bias": self.last.bias,
        }
        rounded = np.vectorize(lambda value: float(f"{value:.6g}"))
        return {name: rounded(value.detach().double().numpy()).tolist() for name, value in tensors.items()}


def fit(courses: Sequence[Course], seed: int, steps: int) -> Network:
    """Fit a network: the likelihood of Laplace's distribution; a course counts more the longer it is."""
    torch.manual_seed(seed)
    read = [inputs(_rows(course), course.n_classes) for course in courses]
    values = torch.tensor(np.concatenate([value for value, _ in read]), dtype=torch.float32)
    bounds = torch.tensor(np.concatenate([bound for _, bound in read]), dtype=torch.float32)
    noise = torch.cat([torch.full((len(v),), c.noise) for c, (v, _) in zip(courses, read, strict=True)])
    weight = torch.cat([torch.full((len(value),), len(value) ** -0.7) for value, _ in read])
    weight /= weight.sum()
    network = Network(values.mean(0), values.std(0) + 1e-6)
    scaled = (values - network.mean) / network.deviation
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        share, width = network(scaled + 0.08 * torch.randn_like(scaled), bounds)
        cost = (weight * ((share - noise).abs() / width + width.log())).sum()
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        schedule.step()
    return network


def model_of(networks: Sequence[Network], margin: float) -> dict[str, Any]:
    """The numbers of several networks, as they are written."""
    return {
        "least_width": LEAST_WIDTH,
        "margin": round(margin, 3),
        "networks": [network.numbers() for network in networks],
    }


def estimate(course: Course, model: dict[str, Any]) -> tuple[float, float]:
    """Share and mean error for a course."""
    networks = [{name: np.array(value) for name, value in net.items()} for net in model["networks"]]
    return combined(*epoch_estimates(_rows(course), course.n_classes, {**model, "networks": networks}))


def _rows(course: Course) -> np.ndarray[Any, Any]:
    return before_memorising(np.array(course.rows))


def left_out(courses: Sequence[Course], steps: int) -> np.ndarray[Any, Any]:
    """Share and mean error of each course from fits without its group, ``(courses, 2)``."""
    found = np.zeros((len(courses), 2))
    fold = np.array([course.group % FOLDS for course in courses])
    for part in range(FOLDS):
        others = [course for course, own in zip(courses, fold, strict=True) if own != part]
        model = model_of([fit(others, seed, steps) for seed in range(NETWORKS)], 1.0)
        for place in np.flatnonzero(fold == part).tolist():
            found[place] = estimate(courses[place], model)
    return found


def worth(courses: Sequence[Course], found: np.ndarray[Any, Any], margin: float) -> dict[str, Any]:
    """How often there is a number, and how far it is off; by the kind of labels."""
    truth = np.array([course.noise for course in courses])
    error = np.abs(found[:, 0] - truth)
    low, high = (np.clip(found[:, 0] + sign * margin * found[:, 1], 0, 1) for sign in (-1, 1))
    given = high - low <= WIDEST
    inside = (low <= truth) & (truth <= high)
    apart = np.array([course.told_apart for course in courses])
    kinds = np.array([course.kind for course in courses])
    parts = {"all": np.ones(len(courses), bool), "told apart": apart}
    parts |= {f"told apart, {kind}": apart & (kinds == kind) for kind in sorted(set(kinds))}
    return {
        name: {
            "trainings": int(part.sum()),
            "with a number": _mean(given[part]),
            "of these within 0.05": _mean((error <= WITHIN)[part & given]),
            "mean error": _mean(error[part & given]),
            "within the interval": _mean(inside[part & given]),
        }
        for name, part in parts.items()
        if part.any()
    }


def _mean(values: np.ndarray[Any, Any]) -> float | None:
    return round(float(values.mean()), 3) if len(values) else None


def read_courses(path: Path, groups: int | None) -> list[Course]:
    """The courses of all tasks; those that the file does not have are made and added."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        entry = json.loads(line)
        known[entry["seed"]] = [Course(**course) for course in entry["courses"]]
    found = []
    for prior, first, count in PRIORS:
        for seed in range(first, first + min(count, groups or count)):
            if seed not in known:
                known[seed] = group_courses(prior, seed)
                entry = {"seed": seed, "courses": [asdict(course) for course in known[seed]]}
                with path.open("a") as file:
                    file.write(json.dumps(entry) + "\n")
            found += known[seed]
    return found


def main(settings: Fit) -> None:
    """Make the courses, fit, and write both files."""
    torch.set_num_threads(1)
    courses = read_courses(settings.courses, settings.groups)
    found = left_out(courses, settings.steps)
    errors = np.abs(found[:, 0] - [course.noise for course in courses]) / found[:, 1]
    apart = np.array([course.told_apart for course in courses])
    margin = float(np.quantile(errors[apart], COVERED))
    networks = [fit(courses, seed, settings.steps) for seed in range(NETWORKS)]
    settings.weights.write_text(json.dumps(model_of(networks, margin)) + "\n")
    entry = {"command": command.command_line(settings), **worth(courses, found, margin)}
    update_record(settings.out, "tasks that were not fitted", entry)
    print(json.dumps(entry, indent=1))


if __name__ == "__main__":
    command.run(Fit, main)
