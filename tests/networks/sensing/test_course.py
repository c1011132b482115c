"""The course of a training: what its rows hold, at any size of batch and either way."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional as F

from evoloss.networks.sensing.course import EPOCHS, READINGS, ROWS, row_step
from evoloss.random_streams import stream
from tests.networks.sensing.streams import learning, one_sided, sensing, symmetric, trained

C = 10


def rows(loss: object) -> dict[str, torch.Tensor]:
    """The readings of the epochs that have been read, by name."""
    course = loss.loss_state.course  # type: ignore[attr-defined]
    return dict(zip(READINGS, course[course[:, 0] > 0].T, strict=True))


def test_both_bounds_of_symmetric_noise_close_in_on_it() -> None:
    read = rows(trained(sensing(), learning(symmetric(0.3, C))))
    assert len(read["number"]) == 7  # the eighth epoch is not over
    assert (read["number"] == 3000).all()
    assert read["by_odds"][0] > read["by_odds"][-1] + 0.1
    for name in ("by_odds", "by_squares", "lowest", "sure_lowest"):
        torch.testing.assert_close(read[name][-1].item(), 0.3, atol=0.06, rtol=0)


@pytest.mark.parametrize("imbalance", [1.0, 20.0])
def test_contradictions_are_a_mean_over_the_classes(imbalance: float) -> None:
    noise = one_sided(0.4)  # of every other class
    read = rows(trained(sensing(6000), learning(noise, n_samples=6000, imbalance=imbalance)))
    for name in ("by_odds", "by_squares"):
        torch.testing.assert_close(read[name][-1].item(), 0.2, atol=0.05, rtol=0)


def test_clean_labels_are_not_the_lowest_class_of_hard_samples() -> None:
    read = rows(trained(sensing(), learning(symmetric(0.0, C), slowness=6.0)))
    assert read["right"][2] < 0.7
    assert read["lowest"][2] < 0.05 < 0.1 < read["by_squares"][2]


@pytest.mark.parametrize("general", [False, True])
def test_rows_are_those_of_the_data_not_of_the_batches(general: bool) -> None:
    n = 2048
    options = {"n_samples": n, "epochs": 4}
    found = [
        rows(trained(sensing(n, general=general), learning(symmetric(0.3, C), batch=batch, **options)))
        for batch in (8, 128, ROWS)
    ]
    for read in found[1:]:
        assert torch.equal(read["number"], found[0]["number"])
        for name in ("right", "by_odds", "by_squares", "lowest", "sure_lowest"):
            # Each epoch's noise is drawn batch by batch.
            torch.testing.assert_close(read[name], found[0][name], atol=0.06, rtol=0.1)


@pytest.mark.parametrize(("n", "read"), [(1, 1), (256, 256), (257, 257), (511, 511), (512, 256), (4097, 257)])
def test_of_any_batch_as_many_are_read_as_are_promised(n: int, read: int) -> None:
    assert len(range(0, n, row_step(n))) == read >= min(n, ROWS)


def test_a_noise_rate_is_of_the_data_not_of_the_batches() -> None:
    n, found = 8192, []
    for batch in (128, 300, 2048):
        stream_ = learning(symmetric(0.3, C), n_samples=n, batch=batch, epochs=6)
        rate = trained(sensing(n), stream_).noise_rate
        assert rate.estimate is not None
        found.append((rate.estimate, rate.low, rate.high))
    assert max(found[1:]) == pytest.approx(found[0], abs=0.08)
    assert min(found[1:]) == pytest.approx(found[0], abs=0.08)


def test_a_training_whose_size_becomes_known_begins_then() -> None:
    late, timely = sensing(None), sensing(600)
    with pytest.warns(UserWarning, match="n_samples"):
        trained(late, learning(symmetric(0.3, C), n_samples=600, epochs=3))
    late.plan_training(n_samples=600)
    for loss in (late, timely):
        trained(loss, learning(symmetric(0.3, C), n_samples=600, epochs=3))
    for name, value in timely.loss_state.values().items():
        assert torch.equal(value, late.loss_state.get_buffer(name))
    late.plan_training(n_samples=600)  # known already: nothing begins
    assert late.loss_state.completed == 2


def test_of_a_large_batch_some_are_read() -> None:
    n = 4096
    read = rows(trained(sensing(n), learning(symmetric(0.3, C), n_samples=n, batch=1024, epochs=8)))
    assert (read["number"] == n).all()
    torch.testing.assert_close(read["by_odds"][-1].item(), 0.3, atol=0.08, rtol=0)


@pytest.mark.parametrize("batch", [40, 700])
def test_the_fast_way_is_the_general_one(batch: int) -> None:
    fast, general = sensing(1400), sensing(1400, general=True)
    for logits, target in learning(symmetric(0.3, C), n_samples=1400, batch=batch, epochs=3):
        target[::7] = -100
        logits[::11, 3] = torch.nan
        for loss in (fast, general):
            loss(logits.clone().requires_grad_(), target)
    assert len(rows(fast)["number"]) == 2
    for name, value in fast.loss_state.values().items():
        torch.testing.assert_close(value, general.loss_state.get_buffer(name), rtol=2e-4, atol=1e-5)


def test_a_smoothed_label_is_the_lowest_class_no_more_than_it_was() -> None:
    n = 600
    by_index, smoothed = sensing(n), sensing(n)
    for logits, target in learning(symmetric(0.3, C), n_samples=n, epochs=3):
        by_index(logits.clone().requires_grad_(), target)
        shares = 0.9 * F.one_hot(target, C) + 0.1 / C
        smoothed(logits.clone().requires_grad_(), shares)
    for name in ("number", "lowest", "sure_lowest"):
        torch.testing.assert_close(rows(smoothed)[name], rows(by_index)[name], rtol=1e-3, atol=1e-5)


def test_of_a_mixed_label_each_class_counts_by_its_share() -> None:
    loss = sensing(4)
    logits = torch.tensor([[3.0, 2.0, 1.0, 0.0]]).repeat(4, 1)
    shares = torch.tensor([[0.8, 0.0, 0.0, 0.2]]).repeat(4, 1)
    for _ in range(2):
        loss(logits.clone().requires_grad_(), shares)
    read = rows(loss)
    torch.testing.assert_close(read["lowest"], torch.tensor([3 * 0.25]))
    torch.testing.assert_close(read["by_odds"], torch.tensor([0.0]))


def test_nothing_is_read_where_labels_are_doubted_or_after_the_last_row() -> None:
    loss = sensing(20)
    logits = torch.randn(20, C, generator=stream(0, "logits"))
    target = torch.arange(20) % C
    for _ in range(3):
        loss(logits.clone().requires_grad_(), target)
    before = copy.deepcopy(loss)
    with torch.no_grad():
        loss.loss_state.memorised.fill_(0.9)
    loss(logits.clone().requires_grad_(), target)
    assert torch.equal(loss.loss_state.course, before.loss_state.course)
    with torch.no_grad():
        before.loss_state.completed.fill_(EPOCHS)
    course = before.loss_state.course.clone()
    before(logits.clone().requires_grad_(), target)
    assert torch.equal(before.loss_state.course, course)


def test_a_course_is_forgotten_and_saved_with_the_rest() -> None:
    loss = trained(sensing(), learning(symmetric(0.3, C), epochs=3))
    again = trained(sensing(), learning(symmetric(0.3, C), epochs=1))
    again.load_state_dict(loss.state_dict())
    assert torch.equal(again.loss_state.course, loss.loss_state.course)
    loss.reset()
    assert not loss.loss_state.course.any()
    assert again.loss_state.course.any()
