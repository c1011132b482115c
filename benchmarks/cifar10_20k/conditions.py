"""The conditions and losses of ``benchmarks.cifar10_20k.run``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.harness.accuracy_study import Condition
from benchmarks.transfer.conditions import EVOLVED, PAPER

FIRST = ("cross_entropy", "adaptive", "gce", "evolved-base", "evolved-noise", "label_smoothing", "sce")
SECOND = ("evolved-noise-strong", "evolved-noise-long", "jal_ce", "nce_rce", "anl_ce")
THIRD = (
    *("mae_star", "phuber", "logit_clip", "base_mda", "ogc", "dal", "elr", "epsilon_softmax_mae"),
    *PAPER,
)
STAGES = (FIRST, SECOND, THIRD)
"""All losses, those of most interest first; those that this version does not have are left out."""
FOLDERS = {name: EVOLVED / name for name in PAPER}
"""Losses that are neither known nor shipped; those of the published method alone are of ``transfer``."""
PASSES = ((1, 3), (2, 3), (3, 5), (3, 20))
"""How many of the stages have their turn in all conditions, and with how many seeds at most."""

HUMAN_LABELS = "cifar-10n-random1.npz"
"""One annotator's label for each training image, 17.2 % of them wrong: "random 1" of CIFAR-10N (Wei et al.
2022, arXiv:2110.12088). The file is not part of the repository."""

_LABELS: dict[str, tuple[str, dict[str, Any]]] = {
    "clean": ("clean labels", {}),
    "sym40": ("40 % symmetric noise", {"label_noise": 0.4}),
    "human": ("labels of one annotator", {"train_labels": HUMAN_LABELS}),
    "sym20": ("20 % symmetric noise", {"label_noise": 0.2}),
    "asym40": ("40 % asymmetric noise", {"label_noise": 0.4, "noise_kind": "asymmetric"}),
    "sym80": ("80 % symmetric noise", {"label_noise": 0.8}),
}
_COURSES: dict[str, tuple[str, dict[str, Any]]] = {
    "short": ("15 epochs, augmented", {"epochs": 15, "augment": "auto"}),
    "long": ("40 epochs, to memorisation", {"epochs": 40, "augment": "none", "eval_every": 2}),
}


def _condition(labels: str, course: str) -> Condition:
    (label_title, label_options), (course_title, course_options) = _LABELS[labels], _COURSES[course]
    return Condition(
        name=f"{labels}-{course}",
        title=f"{label_title}, {course_title}",
        dataset="cifar10",
        model="cnn_small",
        train_samples=20_000,
        validation=0.04,
        validation_noise=labels != "clean",
        batch_size=128,
        lr_grid=(0.1, 0.3, 1.0),
        seeds=20 if labels == "clean" else 5,
        **label_options,
        **course_options,
    )


CONDITIONS = tuple(_condition(labels, course) for labels in _LABELS for course in _COURSES)
"""Six kinds of labels, in a short training, in which none are memorised, and in a long one, in which they
are."""


def _names(labels: Iterable[str], courses: Iterable[str] = _COURSES) -> tuple[str, ...]:
    return tuple(f"{name}-{course}" for name in labels for course in courses)


NOISY = tuple(name for name in _LABELS if name != "clean")
SITUATIONS = {
    "clean": _names(["clean"]),
    "short with noise": _names(NOISY, ["short"]),
    "memorised": _names(NOISY, ["long"]),
    "human labels": _names(["human"]),
}
"""Conditions that are looked at together; those of human labels are also of the situation of their course."""
