from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cifar10_20k.conditions import CONDITIONS as IMAGE_CONDITIONS
from benchmarks.harness.results import read_record
from benchmarks.synthetic import memorisation as module
from benchmarks.synthetic.memorisation import CONDITIONS, LABELS, MemorisationCheck, main, narrowed
from benchmarks.synthetic.memorisation_order import (
    REFERENCE,
    SITUATIONS,
    image_differences,
    kendall,
    verdict,
)
from evoloss.errors import UnknownNameError
from evoloss.random_streams import stream
from evoloss.tasks import draw_group

NO_RUNS = Path("no-such-folder")
GAINS = {"clean": 0.0, "noise, short": 0.2, "noise, long": 15.0}


def entry(**differences: float) -> dict[str, Any]:
    return {"difference": {loss: {"mean": value, "se": 0.1} for loss, value in differences.items()}}


def known(**accuracy: float) -> dict[str, float]:
    return {"cross_entropy": 50.0, **accuracy}


def example(gce: dict[str, float]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tasks and images on which a sensing loss gains GAINS, and GCE on the tasks what is given."""
    tasks, images = {}, {}
    for situation, names in SITUATIONS.items():
        for at, name in enumerate(names):
            gain = GAINS[situation] + 0.01 * at
            tasks[name] = entry(cross_entropy=0.0, adaptive=gain, gce=gce[situation] + 0.01 * at)
            images[name] = known(adaptive=50 + gain, gce=50 + gain - 3)
    return tasks, {"accuracy": images}


def test_tasks_that_order_losses_as_images_do_pass() -> None:
    found = verdict(*example({name: gain - 2 for name, gain in GAINS.items()}), NO_RUNS)
    assert found["passed"]
    assert found["tau"] > 0.9
    assert found["situations"]["noise, long"]["winner"] == "adaptive"
    # Level with cross-entropy on the images: either may win on the tasks.
    assert found["situations"]["clean"]["winners_on_images"] == ["cross_entropy", "adaptive"]
    assert found["lines"][-1] == "passed"


def test_another_winner_in_one_situation_is_enough_to_fail() -> None:
    found = verdict(*example({"clean": 1.0, "noise, short": -2.0, "noise, long": 13.0}), NO_RUNS)
    assert [name for name, row in found["situations"].items() if not row["agrees"]] == ["clean"]
    assert not found["passed"]
    assert "not as on the images" in found["lines"][0]


def test_the_right_winners_in_a_wrong_order_are_not_enough() -> None:
    tasks, images = example({name: gain - 2 for name, gain in GAINS.items()})
    for at, row in enumerate(images["accuracy"].values()):
        row["other"] = 60.0 + at
    for at, row in enumerate(tasks.values()):
        row["difference"]["other"] = {"mean": -40.0 - at, "se": 0.1}
    found = verdict(tasks, images, NO_RUNS)
    assert all(row["agrees"] for row in found["situations"].values())
    assert found["tau"] < 0.7
    assert not found["passed"]


def test_a_situation_that_was_not_run_does_not_pass() -> None:
    tasks, images = example({name: gain - 2 for name, gain in GAINS.items()})
    for name in SITUATIONS["clean"]:
        del tasks[name]
    found = verdict(tasks, images, NO_RUNS)
    assert "clean" not in found["situations"]
    assert not found["passed"]


def test_runs_on_images_come_before_what_was_known(tmp_path: Path) -> None:
    folder = tmp_path / "sym40-long"
    folder.mkdir()
    runs = [("cross_entropy", 40.0), ("cross_entropy", 42.0), ("gce", 51.0)]
    content = {"runs": [{"loss": loss, "test_accuracy": accuracy} for loss, accuracy in runs]}
    (folder / "results.json").write_text(json.dumps(content), encoding="utf-8")
    before = {"accuracy": {"sym40-long": known(gce=60.0, adaptive=65.0)}}
    assert image_differences(before, tmp_path)["sym40-long"] == {
        "cross_entropy": 0.0,
        "gce": 10.0,
        "adaptive": 15.0,
    }


def test_kendalls_tau_needs_an_order() -> None:
    assert kendall([(1.0, 2.0), (2.0, 3.0), (3.0, 9.0)]) == 1.0
    assert kendall([(1.0, 2.0), (2.0, 1.0), (3.0, 0.0)]) == -1.0
    assert kendall([(1.0, 2.0), (2.0, 3.0)]) is None
    assert kendall([(1.0, 2.0), (1.0, 3.0), (1.0, 4.0)]) is None


def test_conditions_are_those_of_the_images() -> None:
    assert set(CONDITIONS) == {condition.name for condition in IMAGE_CONDITIONS}
    assert set(read_record(REFERENCE)["accuracy"]) <= set(CONDITIONS)
    with pytest.raises(UnknownNameError, match="no condition 'sym30-long'"):
        MemorisationCheck(only=("sym30-long",))


@pytest.mark.parametrize("labels", LABELS)
def test_tasks_of_a_condition_have_its_labels(labels: str) -> None:
    prior = narrowed(MemorisationCheck(), labels)
    group = draw_group(prior, 4, stream(0, labels), long=False)
    assert float((group.noise - LABELS[labels][1]).abs().max()) < 0.06
    assert 5 <= group.tasks.n_classes <= 20


def test_conditions_are_run_once_and_the_verdict_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = MemorisationCheck(
        out=tmp_path / "check.json",
        only=("clean-short", "sym40-long"),
        groups=1,
        tasks=2,
        rates=1,
        classes=(3, 3),
        samples=(200, 200),
        known=("cross_entropy", "gce"),
        losses=("adaptive",),
    )
    main(options)
    record = read_record(options.out)
    row = record["sym40-long"]
    assert set(row["accuracy"]) == {"cross_entropy", "gce", "adaptive"}
    assert row["difference"]["cross_entropy"]["mean"] == 0.0
    ends = row["accuracy"]["cross_entropy"]
    assert len(ends) == 2
    assert row["cross_entropy_course"][-1] == pytest.approx(sum(ends) / 2, abs=0.01)
    cut = [max(-20, min(20, a - b)) for a, b in zip(row["accuracy"]["gce"], ends, strict=True)]
    assert row["difference"]["gce"]["mean"] == pytest.approx(sum(cut) / 2, abs=0.01)
    assert 0.25 < row["noise"] < 0.55
    assert record["verdict"]["pairs"] == 4
    assert "sym40-long: cross-entropy" in capsys.readouterr().out
    run: list[tuple[str, ...]] = []
    found = {
        **options.settings,
        "accuracy": {"evolved-base": 1.0},
        "difference": entry(**{"evolved-base": 2.0})["difference"],
        "cross_entropy_course": [],
    }

    def spy(check: MemorisationCheck, name: str) -> dict[str, Any]:
        run.append((name, *check.names))
        return found

    monkeypatch.setattr(module, "run_condition", spy)
    main(options)
    main(replace(options, seed=1, report=True))
    assert run == []
    # Cross-entropy is run beside what is missing, and what is there stays.
    main(replace(options, losses=(*options.losses, "evolved-base"), only=("clean-short",)))
    assert run == [("clean-short", "cross_entropy", "evolved-base")]
    assert set(read_record(options.out)["clean-short"]["accuracy"]) == {*row["accuracy"], "evolved-base"}
    main(replace(options, again=("adaptive",), only=("sym40-long",)))
    main(replace(options, seed=1, only=("sym40-long",)))
    assert run[1:] == [("sym40-long", "cross_entropy", "adaptive"), ("sym40-long", *options.names)]
