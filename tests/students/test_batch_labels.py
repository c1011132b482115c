"""Labels of batches, and what is looked up by them alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from evoloss.losses.known.cross_entropy import CrossEntropyLoss
from evoloss.losses.known.focal import FocalLoss
from evoloss.losses.known.gce import GceLoss
from evoloss.losses.known.label_smoothing import LabelSmoothingLoss
from evoloss.students.batch_labels import BatchLabels
from evoloss.students.evaluation import evaluate_students
from evoloss.students.joined_tables import join_tables
from evoloss.students.logit_gradient import LogitGradient
from evoloss.students.network import Shape
from evoloss.students.slope_tables import SlopeTables, tabulate_functions
from evoloss.students.workspace import Workspace
from evoloss.tasks.student_config import StudentConfig
from tests.students.test_gradient import random_network

TARGET = torch.tensor([[[0, 2, 2, 1], [1, 1, 1, 0]], [[2, 0, 1, 2], [0, 0, 2, 2]]])  # (steps, tasks, batch)


KNOWN = {
    "cross_entropy": CrossEntropyLoss().slopes(3),
    "focal": FocalLoss().slopes(3),
    "gce": GceLoss().slopes(3),
    "label_smoothing": LabelSmoothingLoss().slopes(3),
}


def known(*names: str) -> SlopeTables:
    slopes = [KNOWN[name] for name in names]
    return tabulate_functions(slopes, 3, like=torch.zeros((), dtype=torch.float64))


def test_each_step_has_its_labels_and_how_many_are_alike() -> None:
    steps = list(BatchLabels.of(TARGET, 3, torch.float64, cells=torch.tensor(5)).unbind())
    assert len(steps) == len(TARGET)
    for labels, target in zip(steps, TARGET, strict=True):
        torch.testing.assert_close(labels.is_label[:, 0], F.one_hot(target, 3).mT.double())
        torch.testing.assert_close(labels.cells[:, 0], 5 * F.one_hot(target, 3).mT)
        for task, row in enumerate(target.tolist()):
            assert labels.alike[task, 0, 0].tolist() == [row.count(label) for label in row]


def test_only_losses_whose_other_classes_have_slopes_are_looked_up_for_all() -> None:
    assert known("cross_entropy", "gce").only_labels
    assert not known("label_smoothing").only_labels
    assert not join_tables([known("gce"), known("label_smoothing")]).only_labels


def test_gradients_by_labels_alone_are_those_of_all_classes() -> None:
    tables = known("cross_entropy", "gce", "focal")
    assert tables.only_labels
    logits = 3 * torch.randn(2, 3, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    made = []
    for only_labels in (True, False):
        out = torch.empty_like(logits)
        gradient = LogitGradient(replace(tables, only_labels=only_labels), out, Workspace())
        gradient(logits, gradient.labels(TARGET[0]))
        made.append(out)
    torch.testing.assert_close(made[0], made[1], rtol=0, atol=0)


@pytest.mark.parametrize("samples", [5, 70, 200])
def test_students_are_judged_as_by_torch(samples: int) -> None:
    """At every temperature, with samples that fill pieces of work and with some that do not."""
    config, shape = StudentConfig(hidden=(7,)), Shape(2, 3, (4, 7, 3))
    network, generator = random_network(config, shape), torch.Generator().manual_seed(1)
    x = 2 * torch.randn(2, 4, samples, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (2, samples), generator=generator)
    temperatures = (0.35, 2.0, 8.0)
    found = evaluate_students(network, x, y, 32, temperatures)
    whole = network.forward(x).clone()
    for task in range(2):
        for candidate in range(3):
            rows = whole[task, candidate].T
            nll = [F.cross_entropy(rows / t, y[task]).item() for t in (1.0, *temperatures)]
            assert found.nll[candidate, task].item() == pytest.approx(nll[0], rel=1e-12)
            assert found.scaled_nll[candidate, task].item() == pytest.approx(min(nll), rel=1e-12)
            right = (rows.argmax(dim=1) == y[task]).double().mean().item()
            assert found.accuracy[candidate, task].item() == pytest.approx(right, rel=1e-12)
