"""A model that holds a criterion is exported, traced and scripted, and runs in onnxruntime, as it should."""

from __future__ import annotations

import copy
import io
import logging
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from evoloss.losses import EvolvedLoss
from tests.losses.cases import LossCase, make_indices, make_logits, make_probs, make_weight
from tests.losses.tools.criteria import (
    EVERY,
    FEW,
    INDICES,
    PROBS,
    C,
    Classifier,
    every_criterion,
    over,
    over_with,
)
from tests.sampling import sampled

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
CALL_NAMES = ("plain", "smoothed-weighted-ignored", "probs-each")
HALF_AND_DOUBLE = (torch.float16, torch.float64, torch.bfloat16)
every_call = pytest.mark.parametrize(("shared", "target"), CALLS, ids=CALL_NAMES)
CROSS_ENTROPY = LossCase("nn.CrossEntropyLoss", nn.CrossEntropyLoss)
torchscript = pytest.mark.filterwarnings(
    "ignore:`torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning"
)
FOUR_NAMES = ("gce", "kind-concat", "evolved-base", "evolved-noise")
ONE_OF_A_KIND = [case for case in FEW if case.name in FOUR_NAMES]
one_of_a_kind = over(ONE_OF_A_KIND)


def exactly(model: Classifier) -> Classifier:
    """The model with the network itself for a criterion, which is what an exported model holds."""
    model = copy.deepcopy(model)
    if isinstance(model.criterion, EvolvedLoss):
        model.criterion.exact = True
    return model


def input_gradient(model: Any, inputs: Tensor, target: Tensor) -> Tensor:
    leaf = inputs.clone().requires_grad_()
    model(leaf, target).sum().backward()
    assert leaf.grad is not None
    return leaf.grad


def assert_exported(case: LossCase, shared: dict[str, Any], target: Tensor, *, strict: bool) -> None:
    model = Classifier(case.build(**shared))
    expected = exactly(model)
    batch = torch.export.Dim("batch", min=2, max=1024)
    program = torch.export.export(
        model, (INPUTS, target), dynamic_shapes=({0: batch}, {0: batch}), strict=strict
    )
    exported = program.module()
    for inputs, labels in ((INPUTS, target), (OTHER_INPUTS, OTHER_TARGETS[target.dim()])):
        torch.testing.assert_close(exported(inputs, labels), expected(inputs, labels))
        slopes = input_gradient(exported, inputs, labels), input_gradient(expected, inputs, labels)
        torch.testing.assert_close(*slopes)
    # No search that belongs to the making of the loss is in the graph; what follows a training is.
    follows = isinstance(model.criterion, EvolvedLoss) and model.criterion.network.keeps_state
    assert len(program.graph.nodes) < (800 if follows else 320)


@over_with("call", {"indices": CALLS[1], "probs": CALLS[2]}, ONE_OF_A_KIND)
def test_torch_export(case: LossCase, call: tuple[dict[str, Any], Tensor]):
    shared, target = call
    assert_exported(case, shared, target, strict=False)


@pytest.mark.parametrize("case", sampled([CROSS_ENTROPY, *ONE_OF_A_KIND], 3), ids=lambda case: case.name)
def test_strict_torch_export(case: LossCase):
    assert_exported(case, {}, INDICES, strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True])
@every_call
@every_criterion
def test_torch_export_of_every_loss(case: LossCase, shared: dict[str, Any], target: Tensor, strict: bool):
    assert_exported(case, shared, target, strict=strict)


@one_of_a_kind
def test_torch_export_after_a_call_and_without_gradients(case: LossCase):
    model = Classifier(case.build())
    expected = exactly(model)(INPUTS, INDICES).detach()
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            torch.testing.assert_close(model(INPUTS, INDICES), expected, rtol=1e-3, atol=1e-3)
            program = torch.export.export(model, (INPUTS, INDICES))
            torch.testing.assert_close(program.module()(INPUTS, INDICES), expected)


@one_of_a_kind
def test_an_exported_model_is_saved_and_loaded(case: LossCase):
    model, file = Classifier(case.build()), io.BytesIO()
    torch.export.save(torch.export.export(model, (INPUTS, INDICES)), file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    torch.testing.assert_close(loaded(INPUTS, INDICES), exactly(model)(INPUTS, INDICES))


class Segmenter(nn.Module):
    """A model with a class for each pixel."""

    def __init__(self, criterion: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, C, 1)
        self.criterion = criterion

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        return self.criterion(self.conv(images), target)


@torchscript
@one_of_a_kind
def test_torch_export_of_dense_predictions(case: LossCase):
    model = Segmenter(case.build(label_smoothing=0.1, reduction="none"))
    batch = torch.export.Dim("batch", min=2, max=64)
    images, target = make_logits(3, 2, 4, 4, dtype=torch.float32), make_indices(3, 4, 4, n_classes=C)
    program = torch.export.export(model, (images, target), dynamic_shapes=({0: batch}, {0: batch}))
    traced = torch.jit.trace(model, (images, target))
    for made in (program.module(), traced):
        value = made(images[:2], target[:2])
        torch.testing.assert_close(value, model(images[:2], target[:2]), rtol=1e-3, atol=1e-3)


@torchscript
@over_with("dtype", {str(dtype): dtype for dtype in HALF_AND_DOUBLE}, ONE_OF_A_KIND)
def test_exports_in_other_precisions(case: LossCase, dtype: torch.dtype):
    model, inputs = Classifier(case.build()).to(dtype), INPUTS.to(dtype)
    expected = exactly(model)
    program = torch.export.export(model, (inputs, INDICES)).module()
    traced = torch.jit.trace(model, (inputs, INDICES))
    for made in (program, traced):
        torch.testing.assert_close(made(inputs, INDICES), expected(inputs, INDICES))


@torchscript
@over_with("call", dict(zip(CALL_NAMES, CALLS, strict=True)), EVERY)
def test_jit_trace(case: LossCase, call: tuple[dict[str, Any], Tensor]):
    shared, target = call
    model = Classifier(case.build(**shared))
    expected = exactly(model)
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


@torchscript
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
    criterion = EvolvedLoss()

    class Outside(nn.Module):
        def forward(self, logits: Tensor, target: Tensor) -> Tensor:
            return criterion(logits, target)

    with pytest.raises(NameError, match="module is not installed as a submodule"):
        fx.symbolic_trace(Outside())


def assert_same_in_onnxruntime(case: LossCase, shared: dict[str, Any], target: Tensor) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason=f"ONNX export needs {package}, of the extra dev")
    runtime = pytest.importorskip("onnxruntime", reason="running ONNX needs onnxruntime, of the extra dev")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # torchvision is not here, it says
    batch = torch.export.Dim("batch", min=2, max=1024)
    model = Classifier(case.build(**shared)).eval()
    program = torch.onnx.export(
        model,
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
    expected = exactly(model)
    for inputs, labels in ((INPUTS, target), (OTHER_INPUTS, OTHER_TARGETS[target.dim()])):
        (value,) = session.run(None, dict(zip(names, [inputs.numpy(), labels.numpy()], strict=True)))
        given = torch.from_numpy(value) if value.shape else torch.tensor(value.item())
        torch.testing.assert_close(given, expected(inputs, labels).detach(), rtol=1e-5, atol=1e-5)


onnx_warnings = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:# The axis name:UserWarning"
)


@onnx_warnings
@over([case for case in FEW if case.name == "evolved-base"])
def test_onnx(case: LossCase):
    assert_same_in_onnxruntime(case, {}, INDICES)


@pytest.mark.slow
@onnx_warnings
@every_call
@every_criterion
def test_onnx_of_every_loss(case: LossCase, shared: dict[str, Any], target: Tensor):
    assert_same_in_onnxruntime(case, shared, target)
