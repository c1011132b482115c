"""What every loss has from the shared semantics, whatever its cost."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from evoloss.losses import ClassificationLoss
from tests.losses.cases import (
    LossCase,
    every_loss,
    every_loss_but,
    every_loss_without_a_batch,
    make_indices,
    make_logits,
    make_probs,
    make_weight,
    reference_agreements,
)
from tests.sampling import sampled

C = 5
HALVES = (torch.float16, torch.bfloat16)
FLOATS = (*HALVES, torch.float32)


def gradient(loss: ClassificationLoss, logits: Tensor, target: Tensor) -> Tensor:
    leaf = logits.detach().clone().requires_grad_()
    loss(leaf, target).sum().backward()
    assert leaf.grad is not None
    return leaf.grad


def every_cost(case: LossCase, logits: Tensor, labels: Tensor, ignored: set[int]) -> Tensor:
    """L(p, k) for each row and class, asked for one class at a time, or at once where the batch counts."""
    loss = case.build(reduction="none")
    if case.name == "evolved-paced":
        kept = torch.tensor([float(i not in ignored) for i in range(len(labels))])
        known = reference_agreements(logits.softmax(1), labels * kept[:, None])
        return loss.class_costs(logits, known)  # type: ignore[call-arg]
    columns = [loss(logits, torch.full((len(logits),), k)) for k in range(logits.shape[1])]
    return torch.stack(columns, dim=1)


def loop_over_rule(
    costs: Tensor, labels: Tensor, weight: Tensor, smoothing: float, ignored: set[int]
) -> list[float]:
    """The rule in plain loops: ``sum_k w_k q_k L(p, k)`` with smoothed q, 0 where ignored."""
    n, classes = costs.shape
    losses = []
    for i in range(n):
        total = 0.0
        for k in range(classes):
            q = (1 - smoothing) * labels[i, k].item() + smoothing / classes
            total += weight[k].item() * q * costs[i, k].item()
        losses.append(0.0 if i in ignored else total)
    return losses


@every_loss
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("ignore_index", [-100, 2])
def test_index_targets_follow_the_rule(case: LossCase, smoothing: float, ignore_index: int):
    logits, weight = make_logits(8, C), make_weight(C)
    target = torch.tensor([0, 1, 2, 3, 4, 2, 1, 0])
    ignored = {i for i in range(8) if target[i] == ignore_index}
    labels = torch.nn.functional.one_hot(target, C).double()
    expected = loop_over_rule(every_cost(case, logits, labels, ignored), labels, weight, smoothing, ignored)
    shared: dict[str, Any] = {
        "weight": weight,
        "ignore_index": ignore_index,
        "label_smoothing": smoothing,
    }
    assert case.build(**shared, reduction="none")(logits, target).tolist() == pytest.approx(expected)
    assert case.build(**shared, reduction="sum")(logits, target).item() == pytest.approx(sum(expected))
    divisor = sum(weight[target[i]].item() for i in range(8) if i not in ignored)
    mean = case.build(**shared, reduction="mean")(logits, target).item()
    assert mean == pytest.approx(sum(expected) / divisor)


@every_loss
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_probability_targets_follow_the_rule(case: LossCase, smoothing: float):
    logits, weight, labels = make_logits(8, C), make_weight(C), make_probs(8, C)
    expected = loop_over_rule(every_cost(case, logits, labels, set()), labels, weight, smoothing, set())
    shared: dict[str, Any] = {"weight": weight, "label_smoothing": smoothing}
    assert case.build(**shared, reduction="none")(logits, labels).tolist() == pytest.approx(expected)
    assert case.build(**shared)(logits, labels).item() == pytest.approx(sum(expected) / 8)


@every_loss
def test_one_hot_probabilities_equal_indices(case: LossCase):
    logits, target = make_logits(8, C), make_indices(8, n_classes=C)
    one_hot = torch.nn.functional.one_hot(target, C).double()
    loss = case.build(reduction="none")
    torch.testing.assert_close(loss(logits, one_hot), loss(logits, target))
    torch.testing.assert_close(gradient(loss, logits, one_hot), gradient(loss, logits, target))


@every_loss
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("probabilities", [False, True])
def test_dimensions_are_positions(case: LossCase, smoothing: float, probabilities: bool):
    logits = make_logits(2, C, 3, 2)
    target = make_probs(2, C, 3, 2) if probabilities else make_indices(2, 3, 2, n_classes=C)
    weight = make_weight(C)
    rows = logits.permute(0, 2, 3, 1).reshape(-1, C)
    flat_target = target.permute(0, 2, 3, 1).reshape(-1, C) if probabilities else target.reshape(-1)
    loss = case.build(weight=weight, label_smoothing=smoothing, reduction="none")
    losses = loss(logits, target)
    assert losses.shape == (2, 3, 2)
    torch.testing.assert_close(losses.reshape(-1), loss(rows, flat_target))
    mean = case.build(weight=weight, label_smoothing=smoothing)
    torch.testing.assert_close(mean(logits, target), mean(rows, flat_target))
    single = loss(rows[0], flat_target[0])
    assert single.shape == ()
    if case.name != "evolved-paced":
        torch.testing.assert_close(single, losses[0, 0, 0])


@every_loss
def test_order_of_samples_does_not_matter(case: LossCase):
    logits, target = make_logits(16, C), make_indices(16, n_classes=C)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(5))
    loss = case.build(reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(loss(logits[order], target[order]), loss(logits, target)[order])


@every_loss_but("logit_clip", "logit_clip-3")  # the norm of the logits is another one then
def test_a_constant_added_to_the_logits_does_not_matter(case: LossCase):
    logits, target = make_logits(6, C), make_indices(6, n_classes=C)
    loss = case.build(reduction="none")
    torch.testing.assert_close(loss(logits + 7.5, target), loss(logits, target))


@every_loss
def test_ignored_positions_cost_nothing_and_pull_at_nothing(case: LossCase):
    logits = make_logits(6, C)
    target = torch.tensor([0, -1, 2, -1, 4, 3])
    kept = target != -1
    for smoothing in (0.0, 0.1):
        loss = case.build(ignore_index=-1, label_smoothing=smoothing)
        torch.testing.assert_close(loss(logits, target), loss(logits[kept], target[kept]))
        grad = gradient(loss, logits, target)
        assert bool((grad[~kept] == 0).all())
        torch.testing.assert_close(grad[kept], gradient(loss, logits[kept], target[kept]))
        broken = torch.where(kept[:, None], logits, torch.nan)
        torch.testing.assert_close(loss(broken, target), loss(logits, target))


@every_loss
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_nothing_to_average_is_nan_and_nothing_to_sum_is_zero(case: LossCase, smoothing: float):
    ignored = make_logits(3, C), torch.full((3,), -100)
    empty = make_logits(0, C), torch.zeros(0, dtype=torch.long)
    empty_images = make_logits(2, C, 0, 3), torch.zeros(2, 0, 3, dtype=torch.long)
    empty_probs = make_logits(0, C), make_logits(0, C)
    for logits, target in (ignored, empty, empty_images, empty_probs):
        mean = case.build(label_smoothing=smoothing)
        total = case.build(label_smoothing=smoothing, reduction="sum")
        assert mean(logits, target).isnan().item()
        assert total(logits, target).item() == 0.0
        assert bool((gradient(total, logits, target) == 0).all())
    assert bool((gradient(mean, *ignored) == 0).all())


def extreme_logits(n_classes: int) -> Tensor:
    """Rows of logits up to 1e4 in size: mixed, all equal, one far ahead or behind, moderate."""
    signs = torch.where(make_logits(4, n_classes, seed=7) > 0, 1e4, -1e4).double()
    spread = make_logits(4, n_classes, seed=8, scale=5e3).clamp(-1e4, 1e4)
    ahead, behind = torch.zeros(1, n_classes).double(), torch.full((1, n_classes), 1e4).double()
    ahead[0, 0], behind[0, 0] = 1e4, -1e4
    equal = torch.zeros(1, n_classes).double()
    near = make_logits(3, n_classes, seed=9, scale=30.0)
    return torch.cat([signs, spread, ahead, behind, -behind, equal, near])


@every_loss
@pytest.mark.parametrize(("n_classes", "dtype"), sampled(itertools.product((2, 10, 1), FLOATS), every=2))
def test_extreme_logits_give_finite_values_and_gradients(case: LossCase, n_classes: int, dtype: torch.dtype):
    logits = extreme_logits(n_classes).to(dtype)
    one_hot = torch.zeros_like(logits)
    one_hot[:, 0] = 1.0
    spread = torch.full_like(logits, 1 / n_classes)
    indices = (torch.full((len(logits),), k) for k in {0, n_classes - 1})
    for smoothing in (0.0, 0.1):
        loss = case.build(reduction="none", label_smoothing=smoothing)
        for target in (*indices, one_hot, spread):
            losses = loss(logits, target)
            assert losses.dtype == dtype
            assert bool(losses.isfinite().all())
            assert bool(gradient(loss, logits, target).isfinite().all())


@every_loss
@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_is_rounded_only_at_the_end(case: LossCase, dtype: torch.dtype):
    logits, target = make_logits(9, C, dtype=dtype), make_indices(9, n_classes=C)
    exact = case.build(reduction="none")(logits.float(), target)
    rounded = case.build(reduction="none")(logits, target)
    assert torch.equal(rounded, exact.to(dtype))


@every_loss
@pytest.mark.parametrize("dtype", [*HALVES, torch.float32])
def test_autocast_is_kept_out(case: LossCase, dtype: torch.dtype):
    logits, target = make_logits(9, C, dtype=dtype), make_indices(9, n_classes=C)
    weight = make_weight(C, dtype=torch.float32)
    loss = case.build(weight=weight, label_smoothing=0.1)
    expected = loss(logits.float(), target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(logits, target)
        assert torch.is_autocast_enabled("cpu")
    assert value.dtype == torch.float32
    assert torch.equal(value, expected)


class MatrixLoss(ClassificationLoss):
    """A loss with a matrix product inside, which autocast would run in bfloat16."""

    def class_costs(self, logits: Tensor) -> Tensor:
        return logits @ torch.linspace(0.0, 1.0, C * C, dtype=logits.dtype).reshape(C, C)


def test_matrix_products_inside_a_loss_keep_their_precision():
    logits, target = make_logits(9, C, dtype=torch.float32), make_indices(9, n_classes=C)
    expected = MatrixLoss()(logits, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(MatrixLoss()(logits, target), expected)


@every_loss_without_a_batch
def test_sums_over_parts_add_up(case: LossCase):
    logits, target = make_logits(12, C), make_indices(12, n_classes=C)
    loss = case.build(reduction="sum", weight=make_weight(C))
    leaf = logits.clone().requires_grad_()
    for part in range(0, 12, 4):
        loss(leaf[part : part + 4], target[part : part + 4]).backward()
    assert leaf.grad is not None
    torch.testing.assert_close(leaf.grad, gradient(loss, logits, target))


@every_loss
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_vmap_and_functional_gradients(case: LossCase, smoothing: float):
    logits, target = make_logits(3, 6, C), make_indices(3, 6, n_classes=C)
    loss = case.build(weight=make_weight(C), ignore_index=1, label_smoothing=smoothing)
    expected = torch.stack([loss(z, y) for z, y in zip(logits, target, strict=True)])
    torch.testing.assert_close(torch.func.vmap(loss)(logits, target), expected)
    grads = torch.func.vmap(torch.func.grad(loss))(logits, target)
    expected_grads = [gradient(loss, z, y) for z, y in zip(logits, target, strict=True)]
    torch.testing.assert_close(grads, torch.stack(expected_grads))


@every_loss
def test_functional_hessian_agrees_with_double_backward(case: LossCase):
    logits, target = make_logits(C), torch.tensor(1)
    loss = case.build()
    hessian = torch.func.jacrev(torch.func.grad(loss))(logits, target)
    expected = torch.autograd.functional.hessian(lambda z: loss(z, target), logits)
    torch.testing.assert_close(hessian, expected)


@every_loss
def test_copies_and_states_carry_the_weight(case: LossCase):
    logits, target = make_logits(6, C), make_indices(6, n_classes=C)
    loss = case.build(weight=make_weight(C), label_smoothing=0.1)
    expected = loss(logits, target)
    assert torch.equal(copy.deepcopy(loss)(logits, target), expected)
    other = case.build(weight=torch.ones(C, dtype=torch.float64), label_smoothing=0.1)
    other.load_state_dict(loss.state_dict())
    assert torch.equal(other(logits, target), expected)
    assert loss.to(torch.float32).weight is not None
    assert loss.weight.dtype == torch.float32
    assert "weight" not in case.build().state_dict()


@every_loss
def test_inputs_are_left_alone(case: LossCase):
    logits, target = make_logits(6, C), make_indices(6, n_classes=C)
    before = logits.clone(), target.clone()
    case.build(ignore_index=1, label_smoothing=0.1)(logits, target)
    assert torch.equal(logits, before[0])
    assert torch.equal(target, before[1])


def test_a_loss_without_costs_says_so():
    with pytest.raises(NotImplementedError):
        ClassificationLoss()(make_logits(2, C), torch.tensor([0, 1]))
