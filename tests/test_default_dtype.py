"""What a user sets as PyTorch's default dtype changes no number of ours."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load
from torch import Tensor

from evoloss.data import load_dataset
from evoloss.default_dtype import float32_by_default
from evoloss.diagnostics.inspection import inspect_loss
from evoloss.losses import LOSSES, ClassificationLoss, EvolvedLoss
from evoloss.models import build_model
from evoloss.mutation import MUTATIONS
from evoloss.networks import NETWORKS
from evoloss.pretraining import PretrainConfig, pretrain
from evoloss.strategies import STRATEGIES
from evoloss.training import TrainConfig, train
from evoloss.zoo import SHIPPED
from tests.losses.cases import LossCase, make_weight
from tests.losses.tools.criteria import INDICES, LOGITS, PROBS, C, every_criterion, value_and_gradient
from tests.sampling import sampled

SOURCE = Path(__file__).parents[1] / "src" / "evoloss"
OTHERS = [torch.float64, torch.bfloat16, torch.float16]
every_default = pytest.mark.parametrize("dtype", OTHERS, ids=lambda dtype: str(dtype).removeprefix("torch."))


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def values_of(case: LossCase) -> list[Tensor]:
    """Values and gradients over the semantics and precisions, of a loss built here."""
    made: list[Tensor] = []
    for shared in ({}, {"label_smoothing": 0.1}, {"weight": make_weight(C, dtype=torch.float32)}):
        loss = case.build(**shared)
        for dtype in (
            (torch.float32,) if "weight" in shared else (torch.float32, torch.bfloat16, torch.float64)
        ):
            for target in (INDICES, PROBS.to(dtype)):
                made += value_and_gradient(loss, LOGITS.to(dtype), target)
    loss = case.build()
    if isinstance(loss, EvolvedLoss):
        made += value_and_gradient(case.build(exact=True), LOGITS, INDICES)
        made.append(torch.tensor(loss.least_cost(C), dtype=torch.float64))
    return made


@every_criterion
def test_losses_give_the_same_bits(case: LossCase):
    expected = values_of(case)
    for dtype in OTHERS:
        with default_dtype(dtype):
            found = values_of(case)
        assert [value.dtype for value in found] == [value.dtype for value in expected]
        assert all(map(torch.equal, found, expected))


TIMES = ("seconds", "generations_per_second")


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in TIMES}


def contents(run: Path) -> dict[str, Any]:
    """What a search has written, but times."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        text = path.read_bytes()
        if path.name == "checkpoint.safetensors":
            found[path.name] = {key: (str(value.dtype), value.tolist()) for key, value in load(text).items()}
        elif path.suffix == ".jsonl":
            found[path.name] = [without_times(json.loads(line)) for line in text.splitlines()]
        elif path.name == "summary.json":
            found[path.name] = without_times(json.loads(text))
        else:
            found[path.name] = text
    return found


SMALL: dict[str, Any] = {"generations": 2, "popsize": 4, "pairs": 64, "eval_pairs": 128, "seed": 3}
SEARCHES = {
    **{f"network-{name}": {"network": name} for name in NETWORKS},
    **{f"strategy-{name}": {"strategy": name} for name in STRATEGIES if name != "pycma"},
    **{f"mutation-{name}": {"mutation": name} for name in MUTATIONS},
    **{f"error-{name}": {"error": name} for name in ("dominance", "total_variation")},
    "exact": {"n_grid": 0},
}


def assert_same_search(tmp_path: Path, settings: dict[str, Any], dtypes: list[torch.dtype]) -> None:
    config = PretrainConfig(**SMALL, **settings)
    pretrain(config, out=tmp_path / "float32")
    expected = contents(tmp_path / "float32")
    assert "history.jsonl" in expected
    assert "checkpoint.safetensors" in expected
    assert any(name.endswith("loss.safetensors") for name in expected)
    for dtype in dtypes:
        with default_dtype(dtype):
            pretrain(config, out=tmp_path / str(dtype))
        assert contents(tmp_path / str(dtype)) == expected


@pytest.mark.parametrize("name", sampled(SEARCHES, 4))
def test_a_search_writes_the_same_bytes(name: str, tmp_path: Path):
    assert_same_search(tmp_path, {"classes": (5,), **SEARCHES[name]}, OTHERS)


def test_a_search_by_pycma_writes_the_same_bytes(tmp_path: Path):
    pytest.importorskip("cma", reason="pycma is of the extra strategies")
    assert_same_search(tmp_path, {"classes": (5,), "strategy": "pycma"}, [torch.float64])


LEARNABILITY: dict[str, Any] = {
    "fitness": "learnability",
    "network": "basis",
    "groups": 1,
    "tasks": 2,
    "eval_groups": 2,
}


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["general", "label-noise-wide", "images", "few-shot"])
@pytest.mark.parametrize("scoring", ["rank", "points"])
def test_a_search_by_learnability_writes_the_same_bytes(prior: str, scoring: str, tmp_path: Path):
    assert_same_search(tmp_path, {**LEARNABILITY, "prior": prior, "scoring": scoring}, OTHERS)


@every_default
@pytest.mark.parametrize("model", ["mlp", "cnn_small"])
def test_training_gives_the_same_run(model: str, dtype: torch.dtype):
    pytest.importorskip("lightning_fabric", reason="training needs the extra experiments")
    config = TrainConfig(epochs=1)

    def result() -> dict[str, Any]:
        run = train(load_dataset("digits"), model, EvolvedLoss(), config).as_dict()
        return {key: value for key, value in run.items() if "seconds" not in key}

    expected = result()
    with default_dtype(dtype):
        assert result() == expected
        assert torch.get_default_dtype() == dtype


@every_default
def test_models_are_float32_and_the_setting_is_left_as_it_was(dtype: torch.dtype):
    with default_dtype(dtype):
        model = build_model("mlp", input_shape=(4,), n_classes=3)
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        with pytest.raises(KeyError), float32_by_default():
            raise KeyError(torch.get_default_dtype())
        assert torch.get_default_dtype() == dtype


def assert_same_inspection(loss: ClassificationLoss, dtypes: list[torch.dtype]) -> None:
    expected = json.dumps(inspect_loss(loss).to_dict())  # where NaN is equal to itself
    for dtype in dtypes:
        with default_dtype(dtype):
            assert json.dumps(inspect_loss(loss).to_dict()) == expected


def test_inspection_reads_the_same_numbers():
    assert_same_inspection(LOSSES["gce"](reduction="none"), OTHERS)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_inspection_of_shipped_losses_reads_the_same_numbers(name: str):
    assert_same_inspection(EvolvedLoss(name, reduction="none"), OTHERS)


FLOATS = {"randn", "rand", "zeros", "ones", "linspace", "logspace", "empty", "eye", "normal"}
"""Functions of torch whose result has the default dtype, unless told."""


def unnamed_dtypes(source: str) -> list[int]:
    """Lines of calls that make tensors of the default dtype."""

    def is_unnamed(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "torch"
            and not any(keyword.arg in ("dtype", None) for keyword in node.keywords)
            and (node.func.attr in FLOATS or (node.func.attr in ("tensor", "full") and holds_float(node)))
        )

    return [node.lineno for node in ast.walk(ast.parse(source)) if is_unnamed(node)]


def holds_float(call: ast.Call) -> bool:
    """Whether a number with a point, or infinity, is among the arguments."""
    constants = [node.value for node in ast.walk(call) if isinstance(node, ast.Constant)]
    names = [node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)]
    return any(isinstance(value, float) for value in constants) or bool({"inf", "nan"} & {*names})


def test_tensors_of_floats_name_their_dtype():
    for path in SOURCE.rglob("*.py"):
        assert unnamed_dtypes(path.read_text()) == [], path


@pytest.mark.parametrize("call", ["rand(2)", "zeros(2, device=d)", "tensor([1.0])", "full((2,), math.inf)"])
def test_the_check_finds_what_it_should(call: str):
    assert unnamed_dtypes(f"torch.{call}") == [1]
    assert unnamed_dtypes(f"torch.{call[:-1]}, dtype=torch.float32)") == []
