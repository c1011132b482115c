"""What cannot be trained with a loss in the Trainer of transformers, or would go wrong without a sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evoloss import make_loss
from evoloss.errors import ConfigError, UnknownNameError

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from evoloss.integrations.transformers import (  # noqa: E402
    EvolvedTrainer,
    compute_loss_func,
)
from tests.integrations.test_transformers import (  # noqa: E402
    CLASSES,
    LENGTH,
    Texts,
    arguments,
    model_for,
    weights,
)


@pytest.mark.parametrize(
    ("loss", "error", "said"),
    [
        ("gse", UnknownNameError, "gce"),
        ("ogc", ConfigError, "ogc asks for lr"),
        ("elr", ConfigError, "elr asks for index"),
        ("dal", ConfigError, "dal asks for epochs"),
        (nn.CrossEntropyLoss(), ConfigError, "the loss is a CrossEntropyLoss; expected a name"),
        (
            make_loss("gce", ignore_index=0),
            ConfigError,
            "ignore_index is 0; the Trainer counts all labels but",
        ),
    ],
)
def test_what_cannot_be_a_loss_is_said(loss: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        compute_loss_func(loss)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (None, "the batch has no labels"),
        (torch.zeros(3, dtype=torch.long), r"labels have shape \(3,\), logits \(2, 3\)"),
        (torch.zeros(2, 2), r"labels are numbers of shape \(2, 2\), logits have \(2, 3\)"),
        (torch.ones(2, 3), "labels are numbers that do not sum to 1 over the classes"),
    ],
)
def test_labels_that_do_not_fit_are_said(labels: Tensor | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compute_loss_func("gce")({"logits": torch.zeros(2, 3)}, labels)


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (torch.zeros(2, 3), "the model returns Tensor; expected a dictionary with 'logits'"),
        ({"last_hidden_state": torch.zeros(2, 3)}, "the model returns last_hidden_state; expected"),
        ({"logits": [0.0]}, "the logits of the model are a list; expected a tensor"),
    ],
)
def test_outputs_without_logits_are_said(outputs: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compute_loss_func("gce")(outputs, torch.zeros(2, dtype=torch.long))


class Around(nn.Module):
    """A model within a module that does not say what it is."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.inner = model

    def forward(self, input_ids: Tensor, labels: Tensor | None = None) -> Any:
        return self.inner(input_ids)


@pytest.mark.parametrize("ours", [True, False])
def test_a_causal_model_that_is_not_known_as_one_is_said(ours: bool, tmp_path: Path) -> None:
    common = {"args": arguments(tmp_path), "train_dataset": Texts("causal")}
    if ours:
        trainer = EvolvedTrainer(model=Around(model_for("causal")), loss="gce", **common)
        said_trainer = EvolvedTrainer(model=Around(model_for("causal")), loss="gce", shift=False, **common)
        said_trainer.train()
    else:
        trainer = transformers.Trainer(
            model=model_for("causal"), compute_loss_func=compute_loss_func("gce"), **common
        )
    with pytest.raises(ConfigError, match=r"the model returns a CausalLMOutput.* say shift=True"):
        trainer.train()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_causal_model_is_known(tmp_path: Path) -> None:
    model = torch.compile(model_for("causal"))
    assert EvolvedTrainer(model=model, args=arguments(tmp_path), loss="gce").loss_func.shift


def test_a_batch_without_labels_costs_nothing(tmp_path: Path) -> None:
    nothing = [{"input_ids": ids, "labels": torch.full((LENGTH,), -100)} for ids in Texts("tokens").ids]
    model = model_for("tokens")
    before = weights(model).clone()
    EvolvedTrainer(model=model, args=arguments(tmp_path), train_dataset=nothing, loss="gce").train()
    assert torch.equal(weights(model), before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_class_weights_meet_models_of_another_precision(dtype: torch.dtype, tmp_path: Path) -> None:
    costs = []
    for loss in ("gce", make_loss("gce", weight=torch.ones(CLASSES))):
        trainer = EvolvedTrainer(
            model=model_for("texts").to(dtype),
            args=arguments(tmp_path),
            train_dataset=Texts("texts"),
            loss=loss,
        )
        costs.append(trainer.train().training_loss)
    assert costs[0] == pytest.approx(costs[1], abs=0.01)


def test_too_few_class_weights_are_said(tmp_path: Path) -> None:
    trainer = EvolvedTrainer(
        model=model_for("texts"),
        args=arguments(tmp_path),
        train_dataset=Texts("texts"),
        loss=make_loss("gce", weight=torch.ones(CLASSES - 1)),
    )
    with pytest.raises(ConfigError, match="there is a label 2, and the loss has 2 class weights"):
        trainer.train()


def test_what_the_trainer_cannot_count_is_said(tmp_path: Path) -> None:
    weighted = compute_loss_func(make_loss("gce", weight=torch.ones(CLASSES)))
    with pytest.raises(ConfigError, match=r"use evoloss\.integrations\.transformers\.EvolvedTrainer"):
        weighted((torch.zeros(2, CLASSES),), torch.zeros(2, dtype=torch.long), num_items_in_batch=2)
    with pytest.raises(ConfigError, match="both loss and compute_loss_func"):
        EvolvedTrainer(model=model_for("texts"), loss="gce", compute_loss_func=weighted)
    trainer = EvolvedTrainer(
        model=model_for("tokens"), args=arguments(tmp_path), train_dataset=Texts("tokens"), loss="adaptive"
    )
    with pytest.raises(ConfigError, match=f"a sample has {LENGTH} labels here; say how many labels an epoch"):
        trainer.train()
