from __future__ import annotations

from benchmarks.transfer.competitors import CONTESTS, competitors
from benchmarks.transfer.conditions import CONDITIONS
from evoloss.losses import LOSSES
from evoloss.zoo import SHIPPED
from tests.compare.runs import make_results, make_run


def _condition(**accuracies: tuple[float, ...]):
    runs = tuple(
        make_run(loss.replace("__", "-"), seed, value)
        for loss, row in accuracies.items()
        for seed, value in enumerate(row)
    )
    return make_results(runs=runs)


def test_losses_exist_and_every_contest_has_conditions() -> None:
    for contest in CONTESTS:
        assert contest.loss in SHIPPED
        assert set(contest.competitors) <= set(LOSSES)
        assert any(contest.counts(condition.name) for condition in CONDITIONS)


def test_differences_are_those_of_the_shipped_loss_and_paired() -> None:
    results = {
        "digits-clean": _condition(evolved__base=(90.0, 92.0, 94.0), label_smoothing=(89.0, 91.1, 93.0)),
        "digits-50": _condition(evolved__small=(80.0, 70.0, 90.0), label_smoothing=(81.0, 71.0, 91.5)),
    }
    lines = competitors(results)
    start = lines.index("`evolved-base` less")
    assert lines[start + 2] == "| loss | digits-clean |"
    assert lines[start + 4 : start + 6] == ["| cross_entropy | – |", "| label_smoothing | **+1.0 ± 0.1** |"]
    start = lines.index("`evolved-small` less")
    assert lines[start + 4] == "| label_smoothing | **-1.2 ± 0.7** |"
    assert not any("evolved-noise" in line for line in lines)


def test_noise_losses_are_compared_under_noise_only() -> None:
    accuracies = {"evolved__noise": (90.0, 92.0), "gce": (80.0, 91.0)}
    names = ("digits-clean", "digits-asym40", "cifar10-sym40-long")
    lines = competitors({name: _condition(**accuracies) for name in names})
    assert "| loss | digits-asym40 | cifar10-sym40-long |" in lines
    (row,) = (line for line in lines if line.startswith("| gce"))
    assert row.count("+5.5") == 2


def test_one_seed_has_no_interval() -> None:
    lines = competitors({"digits-clean": _condition(evolved__base=(90.0,), cross_entropy=(89.0,))})
    assert "| cross_entropy | +1.0 |" in lines


def test_without_results() -> None:
    assert competitors({}) == ["Nothing to compare yet."]
