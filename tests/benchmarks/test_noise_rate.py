"""The fit of noise rates and its check on images, at toy size."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.harness.results import read_record
from benchmarks.sensing import fit_noise_rate as fitting
from benchmarks.sensing import noise_rate as study
from benchmarks.sensing.fit_noise_rate import Fit, fit, model_of, worth
from benchmarks.sensing.noise_rate import CASES, Check
from benchmarks.sensing.noise_tasks import SLOW, Course, annotated, course_of, group_courses
from evoloss.errors import UnknownNameError
from evoloss.networks.sensing.course import READINGS
from evoloss.networks.sensing.noise_rate import epoch_estimates, fitted, inputs
from evoloss.random_streams import stream
from tests.networks.sensing.streams import learning, sensing, symmetric, trained
from tests.training.blobs import image_blobs

TINY = replace(SLOW, classes=(3, 4), samples=(200, 300), steps=(12, 12), batch=(64, 64), test_samples=50)


def some_courses(count: int = 12) -> list[Course]:
    """Courses of made-up numbers, whose contradictions are the share of wrong labels."""
    generator = np.random.default_rng(0)
    courses = []
    for group in range(count):
        noise = float(generator.uniform(0, 0.6))
        rows = np.tile([2000, 1 - noise, noise, noise, noise / 2, noise / 2, 0.0], (5, 1))
        rows *= generator.uniform(0.95, 1.0, rows.shape)
        courses.append(Course(group, 3 + group, noise, "symmetric", 0.9, True, rows.tolist()))
    return courses


def test_a_group_of_tasks_gives_courses_and_what_is_true_of_them() -> None:
    courses = group_courses(TINY, 3)
    assert courses == group_courses(TINY, 3)
    for course in courses:
        assert len(course.rows[0]) == len(READINGS)
        assert 2 <= len(course.rows) <= 4
        assert (course.kind == "clean") == (course.noise == 0)
        assert 0 <= course.test_accuracy <= 1


def test_a_course_of_batches_is_that_of_the_loss_in_use() -> None:
    batches = list(learning(symmetric(0.3, 10), n_samples=600, epochs=3))
    loss = trained(sensing(600), iter(batches))
    log_probs = [batch.logits.detach().log_softmax(1).numpy() for batch in batches]
    rows = course_of(log_probs, [batch.target.numpy() for batch in batches], 600)
    course = loss.loss_state.course
    np.testing.assert_allclose(rows, course[course[:, 0] > 0].numpy(), rtol=1e-4, atol=1e-5)


def test_labels_of_annotators_are_wrong_as_often_as_asked_for() -> None:
    generator = stream(0, "annotators")
    y = torch.randint(8, (20_000,), generator=generator)
    doubt = torch.rand(len(y), generator=generator)
    given = annotated(y, (y + 1) % 8, doubt, 8, 0.3, generator)
    assert (given != y).float().mean().item() == pytest.approx(0.3, abs=0.06)


def test_what_is_written_is_what_was_fitted() -> None:
    courses = some_courses()
    network = fit(courses, 0, 60)
    model = model_of([network], 2.0)
    arrays = [{name: np.array(value) for name, value in net.items()} for net in model["networks"]]
    rows = np.array(courses[3].rows)
    shares, widths = epoch_estimates(rows, courses[3].n_classes, {**model, "networks": arrays})
    values, bounds = (
        torch.tensor(value, dtype=torch.float32) for value in inputs(rows, courses[3].n_classes)
    )
    with torch.no_grad():
        share, width = network((values - network.mean) / network.deviation, bounds)
    np.testing.assert_allclose(shares, share, atol=1e-4)
    np.testing.assert_allclose(widths, width, atol=1e-4)
    np.testing.assert_allclose(shares, courses[3].noise, atol=0.1)


def test_worth_by_hand() -> None:
    courses = [
        replace(course, noise=noise) for course, noise in zip(some_courses(3), (0.1, 0.2, 0.3), strict=True)
    ]
    found = np.array([[0.12, 0.02], [0.3, 0.02], [0.3, 0.9]])
    assert worth(courses, found, 2.0)["all"] == {
        "trainings": 3,
        "with a number": 0.667,
        "of these within 0.05": 0.5,
        "mean error": 0.06,
        "within the interval": 0.5,
    }


def test_the_fit_runs_and_makes_no_course_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "PRIORS", ((TINY, 3, 4),))
    settings = Fit(
        steps=3, courses=tmp_path / "c.jsonl", weights=tmp_path / "w.json", out=tmp_path / "o.json"
    )
    fitting.main(settings)
    lines = (tmp_path / "c.jsonl").read_text()
    assert [json.loads(line)["seed"] for line in lines.splitlines()] == [3, 4, 5, 6]
    assert len(json.loads((tmp_path / "w.json").read_text())["networks"]) == len(fitted()["networks"])
    assert read_record(tmp_path / "o.json")["tasks that were not fitted"]["all"]["trainings"] > 8
    monkeypatch.setattr(fitting, "group_courses", None)
    fitting.main(settings)
    assert (tmp_path / "c.jsonl").read_text() == lines


def test_the_check_runs_and_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []

    def load(*_: object) -> object:
        loads.append(1)
        return image_blobs(n_train=600)

    monkeypatch.setattr(study, "load", load)
    case = replace(
        CASES["sym40-20k-short"], config=replace(CASES["sym40-20k-short"].config, epochs=4, lr=0.05)
    )
    monkeypatch.setitem(CASES, "sym40-20k-short", case)
    settings = Check(only=("sym40-20k-short",), out=tmp_path / "rates.json")
    study.main(settings)
    found = read_record(settings.out)
    assert [key.split(", ")[1] for key in found] == ["sensing", "cross_entropy"]
    for entry in found.values():
        assert entry["truth"] == 0.4
        assert entry["says"].startswith("cannot tell: " if entry["estimate"] is None else "about 0.")
    study.main(settings)
    assert len(loads) == 2
    with pytest.raises(UnknownNameError, match="sym40-20k-short"):
        study.main(replace(settings, only=("sym40-20k",)))
    with pytest.raises(UnknownNameError, match="sensing"):
        study.main(replace(settings, losses=("sensin",)))


def test_every_case_can_be_trained() -> None:
    for case in CASES.values():
        assert asdict(case.config)["label_noise"] < 1
        assert not (case.human and case.config.label_noise)


def test_what_is_written_of_two_classes_is_what_the_comparisons_have() -> None:
    root = Path(__file__).parents[2]
    told = {False: [0, 0], True: [0, 0]}
    sizes = set()
    for path in sorted(root.glob("benchmarks/*/results/*/results.json")):
        for run in json.loads(path.read_text()).get("runs", []):
            if run["loss"] == "adaptive" and run["n_classes"] == 2 and run.get("noise_rate"):
                counts = told[run["label_noise"] > 0]
                counts[0] += run["noise_rate"]["estimate"] is not None
                counts[1] += 1
                sizes.add(run["n_train"])
    text = " ".join((root / "docs/adaptive.md").read_text().split())
    (right, n_right), (found, n_wrong) = told[False], told[True]
    samples = " or ".join(map(str, sorted(sizes)))
    assert (
        f"{samples} training samples, `adaptive` told the share in {right} of {n_right} trainings with clean "
        f"labels, and in {found} of {n_wrong} with 20 or 40 % wrong ones"
    ) in text
