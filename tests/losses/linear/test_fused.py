"""A linear layer and a loss in one function against one after the other: values, gradients, misuse."""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evoloss import make_loss
from evoloss.errors import ConfigError
from evoloss.losses import ClassificationLoss, EvolvedLoss
from evoloss.losses.joint_batch import SINGLES
from evoloss.losses.linear import LinearEvolvedLoss, fused_linear_loss
from evoloss.losses.linear.chunks import rows_of_chunk

N, FEATURES, C = 100, 16, 300
LOSSES = ("cross_entropy", "gce", "label_smoothing", "evolved-base", "evolved-noise", "sce", "bi_tempered")
TOLERANCE = {torch.float64: 1e-10, torch.float32: 2e-5, torch.bfloat16: 2e-2}
OPTIONS: dict[str, dict[str, Any]] = {
    "mean": {},
    "sum": {"reduction": "sum"},
    "none": {"reduction": "none"},
    "smoothed": {"label_smoothing": 0.1},
}


def layer(dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = (N, FEATURES), (C, FEATURES), (C,)
    parts = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [part.to(dtype).requires_grad_() for part in parts]


def labels() -> Tensor:
    target = torch.randint(C, (N,), generator=torch.Generator().manual_seed(1))
    target[::7] = -100
    return target


def loss_of(name: str, dtype: torch.dtype, *, weighted: bool, **options: Any) -> ClassificationLoss:
    weight = torch.linspace(0.5, 2, C, dtype=torch.float64).to(dtype) if weighted else None
    made = make_loss(name, weight=weight, **options)
    assert isinstance(made, ClassificationLoss)
    return made


def incoming(result: Tensor) -> Tensor:
    return torch.linspace(0.5, 1.5, max(1, result.numel()), dtype=result.dtype).reshape(result.shape)


def close(found: Tensor, expected: Tensor) -> None:
    """Within the rounding of the largest entry."""
    assert found.dtype == expected.dtype
    near = TOLERANCE[found.dtype]
    atol = near * expected.abs().max().item()
    torch.testing.assert_close(found, expected, rtol=near, atol=atol, equal_nan=True)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_values_and_gradients_are_those_of_linear_and_loss(
    name: str, weighted: bool, options: str, dtype: torch.dtype
) -> None:
    criterion, parts, target = (
        loss_of(name, dtype, weighted=weighted, **OPTIONS[options]),
        layer(dtype),
        labels(),
    )
    for used in (parts, parts[:2]):
        bias = used[2] if len(used) == 3 else None
        expected = criterion(F.linear(*used), target)
        wanted = torch.autograd.grad(expected, used, incoming(expected))
        found = fused_linear_loss(*used[:2], target, criterion, linear_bias=bias, chunk_rows=33)
        made = torch.autograd.grad(found, used, incoming(found))
        for one, other in zip((found, *made), (expected, *wanted), strict=True):
            close(one, other)


def test_cross_entropy_is_that_of_torch() -> None:
    linear_cross_entropy = getattr(F, "linear_cross_entropy", None)
    if linear_cross_entropy is None:
        pytest.skip("this torch has no linear_cross_entropy")
    input, weight, bias = layer(torch.float64)
    options = nn.LinearCrossEntropyOptions()
    expected = linear_cross_entropy(input, weight, labels(), linear_bias=bias, options=options)
    close(fused_linear_loss(input, weight, labels(), "cross_entropy", linear_bias=bias), expected)


@pytest.mark.parametrize("name", ["evolved-base", "evolved-noise"])
@pytest.mark.parametrize("exact", [False, True])
def test_leading_axes_the_network_itself_and_any_number_of_rows_at_once(name: str, exact: bool) -> None:
    input, weight, _ = layer(torch.float32)
    criterion = make_loss(name, exact=exact, reduction="none")
    target = labels()
    expected = criterion(F.linear(input, weight), target).reshape(4, 25)
    for rows in (1, 7, 100, 1000):
        found = fused_linear_loss(
            input.reshape(4, 25, -1), weight, target.reshape(4, 25), criterion, chunk_rows=rows
        )
        close(found, expected)


def test_parts_that_need_no_gradient_get_none_and_no_gradient_is_made_without() -> None:
    input, weight, bias = layer(torch.float64)
    criterion, target = make_loss("gce"), labels()
    expected = criterion(F.linear(input, weight, bias), target)
    for alone in range(3):
        parts = [part if at == alone else part.detach() for at, part in enumerate((input, weight, bias))]
        found = fused_linear_loss(*parts[:2], target, criterion, linear_bias=parts[2])
        (made,) = torch.autograd.grad(found, parts[alone])
        close(made, torch.autograd.grad(expected, (input, weight, bias)[alone], retain_graph=True)[0])
    with torch.no_grad():
        assert not fused_linear_loss(input, weight, target, criterion).requires_grad


def test_a_graph_may_be_walked_again_and_gradients_add_up() -> None:
    for reduction in ("mean", "none"):
        input, weight, _ = layer(torch.float64)
        result = fused_linear_loss(input, weight, labels(), make_loss("evolved-noise", reduction=reduction))
        result.sum().backward(retain_graph=True)
        once = weight.grad.clone()
        result.sum().backward()
        close(weight.grad, 2 * once)


def test_second_derivatives_are_refused() -> None:
    input, weight, _ = layer(torch.float64)
    result = fused_linear_loss(input, weight, labels(), "gce")
    with pytest.raises(RuntimeError, match="has no second derivatives"):
        torch.autograd.grad(result, weight, create_graph=True)


def test_nothing_to_average_over() -> None:
    input, weight, _ = layer(torch.float32)
    found = fused_linear_loss(input, weight, torch.full((N,), -100), "evolved-base")
    found.backward()
    assert found.isnan()
    assert input.grad.abs().sum() == weight.grad.abs().sum() == 0
    nobody = fused_linear_loss(input[:0], weight, torch.zeros(0, dtype=torch.int64), "gce")
    assert nobody.isnan()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_batch_of_a_paced_loss_is_that_of_all_rows_and_of_earlier_calls(
    dtype: torch.dtype, smoothing: float
) -> None:
    input, weight, _ = layer(dtype)
    plain = EvolvedLoss.from_pretrained("evolved-noise", agreement_window=200, label_smoothing=smoothing)
    fused = copy.deepcopy(plain)
    for step in range(3):
        rows = input * (1 + step)
        expected = plain(F.linear(rows, weight), labels())
        close(fused_linear_loss(rows, weight, labels(), fused, chunk_rows=9), expected)
    torch.testing.assert_close(fused.loss_state.values(), plain.loss_state.values())
    single = make_loss("evolved-noise")
    one = input[:1], weight, labels()[1:2], single
    for _ in range(SINGLES - 1):
        fused_linear_loss(*one)
    with pytest.warns(UserWarning, match="batches of one sample"):
        fused_linear_loss(*one)


def test_autocast_takes_the_layer_as_it_takes_a_linear_layer() -> None:
    input, weight, bias = layer(torch.float32)
    criterion = make_loss("evolved-base")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = F.linear(input, weight, bias)
        found = fused_linear_loss(input, weight, labels(), criterion, linear_bias=bias)
        expected = criterion(logits, labels())
    assert logits.dtype == torch.bfloat16
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    for made, wanted in zip(
        torch.autograd.grad(found, (input, weight)),
        torch.autograd.grad(expected, (input, weight)),
        strict=True,
    ):
        assert made.dtype == torch.float32
        torch.testing.assert_close(made, wanted, rtol=3e-2, atol=3e-2 * wanted.abs().max().item())


def test_a_sum_under_autocast_is_beyond_the_range_of_half_precision() -> None:
    input, weight = torch.zeros(8192, 4), torch.zeros(5000, 4)
    with torch.autocast("cpu", dtype=torch.float16):
        found = fused_linear_loss(
            input, weight, torch.zeros(8192, dtype=torch.int64), make_loss("cross_entropy", reduction="sum")
        )
    torch.testing.assert_close(found, torch.tensor(8192 * math.log(5000)))  # 69,773; float16 ends at 65,504


def test_transforms_and_fake_tensors_make_the_logits() -> None:
    input, weight, _ = layer(torch.float64)
    target = labels()

    def of(weight: Tensor) -> Tensor:
        return fused_linear_loss(input.detach(), weight, target, "evolved-base")

    expected = torch.autograd.grad(of(weight), weight)[0]
    close(torch.func.grad(of)(weight.detach()), expected)
    shape = fused_linear_loss(input.to("meta"), weight.to("meta"), target.to("meta"), "gce").shape
    assert shape == ()


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # looked at where compiled code goes on
def test_compiled_code_leaves_it_to_run_as_it_is() -> None:
    input, weight, _ = layer(torch.float32)
    criterion, target = make_loss("evolved-noise"), labels()

    @torch.compile(backend="eager")
    def step(input: Tensor) -> Tensor:
        return fused_linear_loss(input, weight, target, criterion) + 1

    found, expected = step(input), criterion(F.linear(input, weight), target) + 1
    close(found, expected)
    close(torch.autograd.grad(found, weight)[0], torch.autograd.grad(expected, weight)[0])


def test_a_chunk_is_twice_as_large_as_the_input() -> None:
    assert rows_of_chunk(8192, 512, 32_000) == 262
    assert rows_of_chunk(8192, 64, 32_000) == 64
    assert rows_of_chunk(10, 512, 2) == 10
    assert rows_of_chunk(0, 512, 2) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input": torch.zeros(5, 3)}, r"input has shape \(5, 3\) and linear_weight \(9, 4\)"),
        ({"linear_bias": torch.zeros(8)}, r"linear_bias has shape \(8,\); expected \(9,\)"),
        ({"linear_weight": torch.zeros(9, 4, dtype=torch.float64)}, "expected one floating dtype"),
        ({"target": torch.zeros(6, dtype=torch.int64)}, r"target is torch.int64 of shape \(6,\)"),
        ({"target": torch.zeros(5, 9)}, "Probabilities are as large as the logits"),
        ({"target": [1, 2]}, "target is a list; expected a tensor"),
        ({"loss": "adaptive"}, "'adaptive' keeps statistics of its training"),
        ({"loss": "elr"}, "keeps statistics of its training"),
        (
            {"loss": nn.CrossEntropyLoss()},
            "the loss is a CrossEntropyLoss; expected a name, or a loss of evoloss",
        ),
        (
            {"loss": make_loss("gce", weight=torch.ones(3))},
            r"weight of shape \(3,\), and linear_weight 9 rows",
        ),
        ({"chunk_rows": 0}, "chunk_rows must be a whole number, at least 1, got 0"),
    ],
)
def test_misuse(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "input": torch.zeros(5, 4),
        "linear_weight": torch.zeros(9, 4),
        "target": torch.zeros(5, dtype=torch.int64),
        "loss": "gce",
    }
    with pytest.raises(ConfigError, match=message):
        fused_linear_loss(**(given | change))


@pytest.mark.parametrize("name", ["gce", "evolved-base", "evolved-noise"])
def test_a_target_out_of_range_is_the_error_of_cross_entropy(name: str) -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        fused_linear_loss(torch.zeros(5, 4), torch.zeros(9, 4), torch.tensor([0, 9, 1, 1, 1]), name)


def test_the_module_is_its_function() -> None:
    torch.manual_seed(0)
    criterion = LinearEvolvedLoss(FEATURES, C, "gce", q=0.5, bias=True, label_smoothing=0.1, chunk_rows=10)
    assert "chunk_rows=10" in repr(criterion)
    assert "q=0.5" in repr(criterion)
    input, _, _ = layer(torch.float32)
    expected = criterion.loss(criterion.linear(input), labels())
    close(criterion(input, labels()), expected)
    assert set(criterion.state_dict()) == {"linear.weight", "linear.bias"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = LinearEvolvedLoss(4, 9, make_loss("evolved-noise"), dtype=torch.float64)
    assert made.linear.weight.dtype == torch.float64
    with pytest.raises(TypeError, match="the loss is made already; give q to it"):
        LinearEvolvedLoss(4, 9, make_loss("gce"), q=0.5)
    with pytest.raises(ConfigError, match="num_classes must be a whole number"):
        LinearEvolvedLoss(4, 0)
