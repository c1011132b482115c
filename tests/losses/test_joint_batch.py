"""Paced losses whose batch is more than the rows of a call: earlier calls, and what it does to a call."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from evoloss import EvolvedLoss, make_loss
from evoloss.errors import ConfigError
from evoloss.losses import strip_loss_state
from evoloss.losses.joint_batch import SINGLES, JointBatch
from evoloss.losses.state import states_of

C = 5


def paced(**options: object) -> EvolvedLoss:
    return EvolvedLoss.from_pretrained("evolved-noise", **options)  # type: ignore[arg-type]


def rows(n: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, C, generator=generator, dtype=dtype)
    return logits.requires_grad_(), torch.randint(C, (n,), generator=generator)


def agreements(calls: list[tuple[Tensor, Tensor]], window: float) -> np.ndarray:
    """The agreement of the rows of the last of some calls, straight from the formula, in NumPy."""
    learned, numbers = np.zeros(C), np.zeros(C)
    for logits, target in calls:
        p = F.softmax(logits.detach().double(), dim=1).numpy()[np.arange(len(target)), target.numpy()]
        label, fade = target.numpy(), np.exp(-len(target) / window)
        learned = fade * learned + np.array([p[label == k].sum() for k in range(C)])
        numbers = fade * numbers + np.array([(label == k).sum() for k in range(C)])
    mean = learned.sum() / numbers.sum()
    of_others = (learned[label] - p + mean) / (numbers[label] - 1 + 1)
    return np.clip((C * of_others - 1) / (C - 1), 0, 1)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("size", [1, 3, 40, 700])
def test_earlier_calls_fade_by_the_sample(size: int, exact: bool) -> None:
    criterion, window = paced(agreement_window=20, exact=exact, reduction="none"), 20
    calls = [rows(size, seed) for seed in range(5)]
    for at, (logits, target) in enumerate(calls):
        costs = criterion(logits, target)
        expected = torch.from_numpy(agreements(calls[: at + 1], window)).float()
        held = paced(exact=True).label_costs(logits, target, expected)
        torch.testing.assert_close(costs, held, rtol=2e-5, atol=2e-6)
        (found,) = torch.autograd.grad(costs.sum(), logits, retain_graph=True)
        (wanted,) = torch.autograd.grad(held.sum(), logits)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=2e-6)


def test_without_a_window_and_alone_it_is_the_batch_of_the_call_to_the_last_digit() -> None:
    for n in (7, 3000):
        for dtype in (torch.float32, torch.float64, torch.bfloat16):
            logits, target = rows(n, dtype=dtype)
            first = paced(reduction="none", agreement_window=1_000)
            for criterion in (paced(reduction="none").sync_batch(), first):
                assert torch.equal(criterion(logits, target), paced(reduction="none")(logits, target))


def test_single_samples_are_as_a_batch_with_a_window() -> None:
    logits, target = rows(1500)
    logits = (logits + 4 * F.one_hot(target, C)).detach().requires_grad_()  # labels that are half learned
    windowed, single = paced(agreement_window=200, reduction="none"), paced(reduction="none").eval()
    parts = [slice(i, i + 1) for i in range(1500)]
    whole = single(logits, target).detach()[300:]
    of_window, alone = (
        torch.cat([loss(logits[part], target[part]) for part in parts]).detach()[300:]
        for loss in (windowed, single)
    )
    assert (of_window - whole).abs().mean() < 0.1 * (alone - whole).abs().mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_part_of_what_is_ignored_counts_for_nothing(smoothing: float) -> None:
    logits, target = rows(30)
    target[::3] = -100
    one, other = (paced(agreement_window=50, label_smoothing=smoothing, reduction="none") for _ in range(2))
    kept = target != -100
    for _ in range(2):
        costs = one(logits, target)
        torch.testing.assert_close(costs[kept], other(logits[kept], target[kept]))
    torch.testing.assert_close(one.loss_state.values(), other.loss_state.values())
    assert costs[~kept].abs().sum() == 0


def test_only_calls_of_the_training_leave_something() -> None:
    criterion, (logits, target) = paced(agreement_window=50), rows(20)
    criterion(logits, target)
    before = {name: value.clone() for name, value in criterion.loss_state.values().items()}
    in_training = copy.deepcopy(criterion)(logits, target)
    with torch.no_grad():
        torch.testing.assert_close(criterion(logits, target), in_training.detach())
    criterion(logits.detach(), target)
    torch.testing.assert_close(criterion.eval()(logits, target), in_training)
    assert all(torch.equal(value, before[name]) for name, value in criterion.loss_state.values().items())
    criterion.train()(logits, target)
    assert not torch.equal(criterion.loss_state.values()["learned"], before["learned"])
    criterion.reset()
    assert not any(value.numel() for value in criterion.loss_state.values().values())


def test_a_run_that_resumes_goes_on_as_if_it_had_not_stopped() -> None:
    whole = paced(agreement_window=50)
    calls = [rows(8, seed) for seed in range(6)]
    for call in calls[:3]:
        whole(*call)
    resumed = paced(agreement_window=50)
    resumed.load_state_dict(whole.state_dict())
    for call in calls[3:]:
        assert torch.equal(resumed(*call), whole(*call))
    assert not strip_loss_state({f"loss.{name}": 0 for name in whole.state_dict()})


def test_gradient_checkpointing_runs_a_call_again_as_it_was() -> None:
    logits, target = rows(64)
    for options in ({"agreement_window": 100}, {}):
        plain, again = paced(**options).sync_batch(), paced(**options).sync_batch()
        for _ in range(2):
            (wanted,) = torch.autograd.grad(plain(logits, target), logits)
            result = checkpoint(again, logits, target, use_reentrant=False)
            (found,) = torch.autograd.grad(result, logits)
            torch.testing.assert_close(found, wanted)
        torch.testing.assert_close(again.loss_state.values(), plain.loss_state.values())


def test_second_derivatives_are_those_of_the_call() -> None:
    logits, target = rows(40)
    fast, exact = paced(agreement_window=100), paced(agreement_window=100, exact=True)
    for _ in range(2):
        made = []
        for criterion in (fast, exact):
            (gradient,) = torch.autograd.grad(criterion(logits, target), logits, create_graph=True)
            made.append(torch.autograd.grad(gradient.square().sum(), logits)[0])
        torch.testing.assert_close(*made, rtol=1e-4, atol=1e-7)


def test_compiled_code_keeps_the_same_sums() -> None:
    eager = paced(agreement_window=50)
    compiled = torch.compile(paced(agreement_window=50), backend="aot_eager", fullgraph=True)
    for seed in range(3):
        logits, target = rows(12, seed)
        torch.testing.assert_close(compiled(logits, target), eager(logits, target), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(compiled.loss_state.values(), eager.loss_state.values())


def test_one_training_has_one_class_count() -> None:
    criterion = paced(agreement_window=50)
    criterion(*rows(8))
    with pytest.raises(ValueError, match="a training with 5 classes and cannot score 3"):
        criterion(rows(8)[0][:, :3], torch.zeros(8, dtype=torch.int64))


def test_a_window_is_a_setting_of_losses_that_see_their_batch() -> None:
    with pytest.raises(ConfigError, match="'evolved-base' does not go by the agreement of a batch"):
        make_loss("evolved-base:agreement_window=64")
    with pytest.raises(ConfigError, match="agreement_window must be a whole number, at least 1, got 0"):
        paced(agreement_window=0)
    with pytest.raises(ConfigError, match="agreement_window must be a whole number"):
        make_loss("evolved-noise:agreement_window=2.5")
    made = make_loss("evolved-noise:agreement_window=64")
    assert "agreement_window=64" in repr(made)
    assert made.describe()["agreement_window"] == 64  # type: ignore[operator]
    assert "agreement_window" not in paced().describe()
    assert not states_of(paced())
    assert isinstance(made.loss_state, JointBatch)


def test_sync_batch_of_losses_that_see_no_batch_says_nothing() -> None:
    for name in ("cross_entropy", "gce", "evolved-base"):
        criterion = make_loss(name)
        assert criterion.sync_batch() is criterion  # type: ignore[operator]
        assert not states_of(criterion)
    adaptive = make_loss("adaptive").sync_batch()  # type: ignore[operator]
    assert adaptive.loss_state.synchronised
    assert not paced().sync_batch().state_dict()


def test_a_saved_module_is_loaded_with_its_weights_only(tmp_path: Path) -> None:
    criterion = paced(agreement_window=50).sync_batch()
    criterion(*rows(8))
    torch.save(criterion, tmp_path / "loss.pt")
    loaded = torch.load(tmp_path / "loss.pt", weights_only=True)
    assert loaded.agreement_window == 50
    assert loaded.loss_state.synchronised
    assert torch.equal(loaded(*rows(9)), criterion(*rows(9)))


def test_copies_keep_what_they_go_by() -> None:
    criterion = paced(agreement_window=50).sync_batch("a group that has no copy")
    assert copy.deepcopy(criterion).loss_state.processes.group == "a group that has no copy"


def test_batches_of_one_are_warned_of_once_where_that_is_all_that_the_loss_sees() -> None:
    logits, target = rows(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluated, mixed = paced().eval(), paced()
        windowed, other = paced(agreement_window=64), make_loss("evolved-base")
        for step in range(3 * SINGLES):
            evaluated(logits, target)
            mixed(logits.detach(), target)
            mixed(*rows(1 if step % SINGLES else 2))
            windowed(logits, target)
            other(logits, target)
    for exact in (False, True):
        criterion = paced(exact=exact)
        for _ in range(SINGLES - 1):
            criterion(logits, target)
        with pytest.warns(UserWarning, match="batches of one sample.*agreement_window=64"):
            criterion(logits, target)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(2 * SINGLES):
                criterion(logits, target)
