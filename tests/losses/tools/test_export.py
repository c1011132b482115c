"""A model that holds a criterion is exported, traced, scripted and run by onnxruntime as with cross-entropy."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from evoloss.losses import EvolvedLoss
from tests.losses.cases import LossCase, make_indices, make_logits, make_probs, make_weight
from tests.losses.tools.criteria import (
    FEW,
    INDICES,
    PROBS,
    C,
    Classifier,
    every_criterion,
    few_criteria,
    over,
)

INPUTS = make_logits(6, 3, seed=5, dtype=torch.float32)
OTHER_INPUTS = make_logits(9, 3, seed=6, dtype=torch.float32)
OTHER_TARGETS = {
    INDICES.dim(): make_indices(9, n_classes=C, seed=4),
    PROBS.dim(): make_probs(9, C, seed=8, dtype=torch.float32),
}
SMOOTHED: dict[str, Any] = {
    "label_smoothing": 0.1,
    "weight": make_weight(C, dtype=torch.float32),
    "ignore_index": 1,
}
CALLS: list[tuple[dict[str, Any], Tensor]] = [
    ({}, INDICES),
    (SMOOTHED, INDICES),
    ({"reduction": "none"}, PROBS),
]
every_call = pytest.mark.parametrize(
    ("shared", "target"), CALLS, ids=["plain", "smoothed-weighted-ignored", "probs-each"]
)
CROSS_ENTROPY = LossCase("nn.CrossEntropyLoss", nn.CrossEntropyLoss)
ONE_OF_A_KIND = [case for case in FEW if case.name in ("gce", "evolved-base", "evolved-noise")]


def model_of(case: LossCase, shared: dict[str, Any]) -> Classifier:
    """A model whose criterion is the network itself, which is what an exported model holds."""
    criterion = case.build(**shared)
    if isinstance(criterion, EvolvedLoss):
        criterion.exact = True
    return Classifier(criterion)


def input_gradient(model: Any, inputs: Tensor, target: Tensor) -> Tensor:
    leaf = inputs.clone().requires_grad_()
    model(leaf, target).sum().backward()
    assert leaf.grad is not None
    return leaf.grad


def assert_exported(case: LossCase, shared: dict[str, Any], target: Tensor, *, strict: bool) -> None:
    expected, model = model_of(case, shared), Classifier(case.build(**shared))
    batch = torch.export.Dim("batch", min=2, max=1024)
    program = torch.export.export(
        model, (INPUTS, target), dynamic_shapes=({0: batch}, {0: batch}), strict=strict
    )
    exported = program.module()
    for inputs, labels in ((INPUTS, target), (OTHER_INPUTS, OTHER_TARGETS[target.dim()])):
        torch.testing.assert_close(exported(inputs, labels), expected(inputs, labels))
        slopes = input_gradient(exported, inputs, labels), input_gradient(expected, inputs, labels)
        torch.testing.assert_close(*slopes)
    # No search that belongs to the making of the loss is in the graph.
    assert len(program.graph.nodes) < 260


@every_call
@few_criteria
def test_torch_export(case: LossCase, shared: dict[str, Any], target: Tensor):
    assert_exported(case, shared, target, strict=False)


@over([CROSS_ENTROPY, *ONE_OF_A_KIND])
def test_strict_torch_export(case: LossCase):
    assert_exported(case, {}, INDICES, strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True])
@every_call
@every_criterion
def test_torch_export_of_every_loss(case: LossCase, shared: dict[str, Any], target: Tensor, strict: bool):
    assert_exported(case, shared, target, strict=strict)


@few_criteria
def test_torch_export_after_a_call_and_without_gradients(case: LossCase):
    model, expected = Classifier(case.build()), model_of(case, {})(INPUTS, INDICES)
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            torch.testing.assert_close(model(INPUTS, INDICES), expected, rtol=1e-3, atol=1e-3)
            program = torch.export.export(model, (INPUTS, INDICES))
            torch.testing.assert_close(program.module()(INPUTS, INDICES), expected)


@few_criteria
def test_an_exported_model_is_saved_and_loaded(case: LossCase):
    file = io.BytesIO()
    torch.export.save(torch.export.export(Classifier(case.build()), (INPUTS, INDICES)), file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    torch.testing.assert_close(loaded(INPUTS, INDICES), model_of(case, {})(INPUTS, INDICES))


class Segmenter(nn.Module):
    """A model with a class for each pixel."""

    def __init__(self, criterion: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, C, 1)
        self.criterion = criterion

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        return self.criterion(self.conv(images), target)


@few_criteria
def test_torch_export_of_dense_predictions(case: LossCase):
    model = Segmenter(case.build(label_smoothing=0.1, reduction="none"))
    batch = torch.export.Dim("batch", min=2, max=64)
    images, target = make_logits(3, 2, 4, 4, dtype=torch.float32), make_indices(3, 4, 4, n_classes=C)
    program = torch.export.export(model, (images, target), dynamic_shapes=({0: batch}, {0: batch}))
    traced = torch.jit.trace(model, (images, target))
    for made in (program.module(), traced):
        value = made(images[:2], target[:2])
        torch.testing.assert_close(value, model(images[:2], target[:2]), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@few_criteria
def test_exports_in_other_precisions(case: LossCase, dtype: torch.dtype):
    model, expected = Classifier(case.build()).to(dtype), model_of(case, {}).to(dtype)
    inputs = INPUTS.to(dtype)
    program = torch.export.export(model, (inputs, INDICES)).module()
    traced = torch.jit.trace(model, (inputs, INDICES))
    for made in (program, traced):
        torch.testing.assert_close(made(inputs, INDICES), expected(inputs, INDICES))


@every_call
@every_criterion
def test_jit_trace(case: LossCase, shared: dict[str, Any], target: Tensor):
    expected, model = model_of(case, shared), Classifier(case.build(**shared))
    traced = torch.jit.trace(model, (INPUTS, target))  # which checks the trace with the model, too
    file = io.BytesIO()
    torch.jit.save(traced, file)
    file.seek(0)
    for made in (traced, torch.jit.load(file)):
        for inputs, labels in ((INPUTS, target), (OTHER_INPUTS, OTHER_TARGETS[target.dim()])):
            torch.testing.assert_close(made(inputs, labels), expected(inputs, labels))
    slopes = input_gradient(traced, INPUTS, target), input_gradient(expected, INPUTS, target)
    torch.testing.assert_close(*slopes)


class Holder(nn.Module):
    """A model that holds a criterion, for whoever trains it, and gives logits."""

    def __init__(self, criterion: nn.Module) -> None:
        super().__init__()
        self.linear = nn.Linear(3, C)
        self.criterion = criterion

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.linear(inputs)


@pytest.mark.parametrize("shared", [{}, SMOOTHED], ids=["plain", "smoothed"])
@every_criterion
def test_a_model_that_holds_a_criterion_is_scripted(case: LossCase, shared: dict[str, Any]):
    model = Holder(case.build(**shared))
    scripted = torch.jit.script(model)
    assert torch.equal(scripted(INPUTS), model(INPUTS))
    file = io.BytesIO()
    torch.jit.save(scripted, file)
    file.seek(0)
    assert torch.equal(torch.jit.load(file)(INPUTS), model(INPUTS))


@every_criterion
def test_symbolic_traces_call_the_criterion(case: LossCase):
    model = Classifier(case.build(weight=SMOOTHED["weight"]))
    graph = fx.symbolic_trace(model)
    assert [node.target for node in graph.graph.nodes if node.op == "call_module"] == ["linear", "criterion"]
    assert torch.equal(graph(INPUTS, INDICES), model(INPUTS, INDICES))


def test_a_symbolic_trace_of_a_criterion_outside_of_the_model_is_refused_as_for_any_module():
    messages = []
    for criterion in (nn.Linear(C, C), EvolvedLoss()):

        class Outside(nn.Module):
            def forward(self, *arguments: Tensor, criterion: nn.Module = criterion) -> Tensor:
                return criterion(*arguments[:1]) if type(criterion) is nn.Linear else criterion(*arguments)

        with pytest.raises(NameError) as caught:
            fx.Tracer().trace(Outside())
        messages.append(str(caught.value))
    assert messages == ["module is not installed as a submodule"] * 2


def assert_same_in_onnxruntime(case: LossCase, shared: dict[str, Any], target: Tensor) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason=f"ONNX export needs {package}, of the extra dev")
    runtime = pytest.importorskip("onnxruntime", reason="running ONNX needs onnxruntime, of the extra dev")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # torchvision is not here, it says
    batch = torch.export.Dim("batch", min=2, max=1024)
    program = torch.onnx.export(
        Classifier(case.build(**shared)).eval(),
        (INPUTS, target),
        dynamo=True,
        dynamic_shapes=({0: batch}, {0: batch}),
        verbose=False,
    )
    assert program is not None
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # of shapes that it merges, also for cross-entropy
    session = runtime.InferenceSession(program.model_proto.SerializeToString(), options)
    names = [given.name for given in session.get_inputs()]
    expected = model_of(case, shared)
    for inputs, labels in ((INPUTS, target), (OTHER_INPUTS, OTHER_TARGETS[target.dim()])):
        (value,) = session.run(None, dict(zip(names, [inputs.numpy(), labels.numpy()], strict=True)))
        given = torch.from_numpy(value) if value.shape else torch.tensor(value.item())
        torch.testing.assert_close(given, expected(inputs, labels).detach(), rtol=1e-5, atol=1e-5)


onnx_warnings = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@onnx_warnings
@over([CROSS_ENTROPY, *ONE_OF_A_KIND])
def test_onnx(case: LossCase):
    assert_same_in_onnxruntime(case, {}, INDICES)


@pytest.mark.slow
@onnx_warnings
@every_call
@every_criterion
def test_onnx_of_every_loss(case: LossCase, shared: dict[str, Any], target: Tensor):
    assert_same_in_onnxruntime(case, shared, target)
