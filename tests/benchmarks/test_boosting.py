from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.boosting import conditions, page
from benchmarks.boosting import run as study
from benchmarks.harness.results import read_record, update_record
from evoloss.errors import UnknownNameError

SMALL = {"tables": ("breast_cancer",), "seeds": 1, "rounds": (2, 4), "rows": 200}


def table(folder: Path) -> None:
    """A table whose second class is where the sum of the columns is above 0."""
    random = np.random.default_rng(0)
    x = random.standard_normal((400, 4)).astype(np.float32)
    y = (x.sum(1) > 0).astype(np.int64)
    np.savez(folder / "breast_cancer.npz", x_train=x[:300], y_train=y[:300], x_test=x[300:], y_test=y[300:])


def test_noise_is_in_what_is_trained_and_chosen_on_alone(tmp_path: Path) -> None:
    table(tmp_path)
    clean = study.parts(tmp_path / "breast_cancer.npz", 0.0, 200, 250)
    noisy = study.parts(tmp_path / "breast_cancer.npz", 0.4, 200, 250)
    assert (len(clean.y_train), len(clean.y_validation)) == (200, 50)
    assert np.array_equal(clean.x_train, noisy.x_train)
    assert 0.3 < (clean.y_train != noisy.y_train).mean() < 0.5
    assert (clean.y_validation != noisy.y_validation).any()
    assert np.array_equal(clean.y_test, noisy.y_test)
    other = study.parts(tmp_path / "breast_cancer.npz", 0.4, 201, 250)
    assert not np.array_equal(other.x_train, noisy.x_train)


def test_labels_may_be_words(tmp_path: Path) -> None:
    table(tmp_path)
    with np.load(tmp_path / "breast_cancer.npz") as file:
        numbers = dict(file)
    words = {name: np.array(["a", "b"])[numbers[name]] for name in ("y_train", "y_test")}
    np.savez(tmp_path / "words.npz", **{**numbers, **words})
    found, expected = (
        study.parts(tmp_path / f"{name}.npz", 0.4, 200, 250) for name in ("words", "breast_cancer")
    )
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("tool", conditions.TOOLS)
def test_a_study_chooses_on_validation_resumes_and_is_shown(tool: str, tmp_path: Path) -> None:
    pytest.importorskip(tool)
    table(tmp_path)
    settings = study.BoostingStudy(
        **SMALL, tools=(tool,), losses=("own", "gce"), out=tmp_path / "out", data=tmp_path
    )
    study.main(settings)
    record = read_record(tmp_path / "out" / f"{tool}.json")
    assert len(record) == 2 * len(conditions.NOISE)
    entry = record["breast_cancer, 0%, gce, seed 200"]
    assert entry["learning_rate"] in study.RATES
    assert entry["rounds"] in (2, 4)
    assert entry["test_accuracy"] > 65
    study.main(settings)
    assert read_record(tmp_path / "out" / f"{tool}.json") == record
    (name, _, _, *rows) = [line for line in page.tables(tmp_path / "out") if line][0:]
    assert name == {"xgboost": "**XGBoost**", "lightgbm": "**LightGBM**"}[tool]
    assert [row.split(" | ")[0] for row in rows] == [
        "| breast_cancer, 0%",
        "| breast_cancer, 20%",
        "| breast_cancer, 40%",
        "| mean",
        "| median",
        "| worst",
    ]


def test_a_loss_that_is_not_there_is_said(tmp_path: Path) -> None:
    table(tmp_path)
    with pytest.raises(UnknownNameError, match="gce"):
        study.main(study.BoostingStudy(**SMALL, losses=("gse",), out=tmp_path / "out", data=tmp_path))


@pytest.mark.parametrize("place", range(len(page.PAGES)))
def test_the_figures_of_the_pages_are_those_of_the_results(place: int) -> None:
    path, (begin, end), lines = page.PAGES[place]
    shown = path.read_text(encoding="utf-8").split(begin)[1].split(end)[0].strip()
    assert shown == "\n".join(lines(conditions.RESULTS)).strip()


def test_what_is_told_in_short_is_counted(tmp_path: Path) -> None:
    accuracy = {"own": (80.0, 81.0, 82.0), "gce": (82.0, 83.1, 84.2), "evolved-noise": (80.0, 82.0, 81.0)}
    for seed in range(3):
        for loss, values in accuracy.items():
            run = {"table": "letter", "noise": 0.4, "loss": loss, "seed": seed, "test_accuracy": values[seed]}
            update_record(tmp_path / "xgboost.json", f"{loss} {seed}", run)
    rows = page.in_short(tmp_path)
    assert rows[2].endswith("40 % wrong labels | +0.0 to +2.1 (1 of 2) | – |")
    assert rows[3] == "| the same, 20 % | – | – |"
    assert rows[-2].endswith("medians over all conditions | +0.0 to +2.1 | – |")
    assert rows[-1] == "| seeds of a condition | 0 to 3 | 0 |"
