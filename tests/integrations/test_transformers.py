"""Losses in the Trainer of transformers: equal to one big batch, whatever is accumulated and shared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import Dataset

from evoloss import make_loss

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from evoloss.integrations.transformers import (  # noqa: E402
    STATE_FILE,
    EvolvedTrainer,
    LossCallback,
    compute_loss_func,
)

N, LENGTH, VOCABULARY, CLASSES = 24, 6, 17, 3
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
SMALL |= {"vocab_size": VOCABULARY, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


class Texts(Dataset[dict[str, Tensor]]):
    """Random texts with a label each, a label a token, probabilities, or none but themselves."""

    def __init__(self, kind: str) -> None:
        generator = torch.Generator().manual_seed(0)
        self.ids = torch.randint(1, VOCABULARY, (N, LENGTH), generator=generator)
        self.labels = torch.randint(CLASSES, (N,), generator=generator)
        if kind == "tokens":  # as many labels as the place says, so that micro-batches differ
            self.labels = torch.randint(CLASSES, (N, LENGTH), generator=generator)
            self.labels[torch.arange(LENGTH)[None] > torch.arange(N)[:, None] % LENGTH] = -100
        if kind == "soft":
            self.labels = torch.rand(N, CLASSES, generator=generator).softmax(1)
        if kind == "causal":
            self.labels = self.ids.clone()
            self.labels[:, : LENGTH // 2][torch.arange(N) % 2 == 0] = -100

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": self.ids[index], "labels": self.labels[index]}


def model_for(kind: str) -> Any:
    torch.manual_seed(1)
    if kind == "causal":
        config = transformers.GPT2Config(
            vocab_size=VOCABULARY, n_embd=16, n_layer=1, n_head=2, n_positions=LENGTH,
            resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, bos_token_id=0, eos_token_id=0,
        )  # fmt: skip
        return transformers.GPT2LMHeadModel(config)
    config = transformers.BertConfig(**SMALL, num_labels=CLASSES)
    if kind == "tokens":
        return transformers.BertForTokenClassification(config)
    return transformers.BertForSequenceClassification(config)


def arguments(folder: Path, **settings: Any) -> Any:
    given = {
        "output_dir": str(folder), "num_train_epochs": 2, "learning_rate": 0.05, "report_to": [],
        "use_cpu": True, "save_strategy": "no", "disable_tqdm": True, "optim": "sgd", "seed": 3,
        "max_grad_norm": 0.0,
        "per_device_train_batch_size": 8, "lr_scheduler_type": "constant", "logging_strategy": "no",
    }  # fmt: skip
    return transformers.TrainingArguments(**given | settings)


def weights(model: Any) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def trained(kind: str, folder: Path, loss: Any, *, ours: bool, **settings: Any) -> Tensor:
    model = model_for(kind)
    common = {"model": model, "args": arguments(folder, **settings), "train_dataset": Texts(kind)}
    if ours:
        trainer = EvolvedTrainer(**common, loss=loss)
    else:
        trainer = transformers.Trainer(
            **common, compute_loss_func=compute_loss_func(loss, shift=kind == "causal")
        )
    trainer.train()
    return weights(model)


def by_hand(kind: str, folder: Path, loss: nn.Module) -> Tensor:
    """Two epochs of a plain loop, in the order that a Trainer takes."""
    model = model_for(kind)
    texts = Texts(kind)
    order = transformers.Trainer(
        model=model, args=arguments(folder), train_dataset=texts
    ).get_train_dataloader()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    model.train()
    for epoch in range(2):
        if hasattr(order, "set_epoch"):
            order.set_epoch(epoch)
        for batch in order:
            logits, labels = model(input_ids=batch["input_ids"]).logits, batch["labels"]
            if kind == "causal":
                logits, labels = logits[:, :-1], labels[:, 1:]
            if labels.is_floating_point():
                cost = loss(logits, labels)
            else:
                cost = loss(logits.flatten(0, -2), labels.flatten())
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
    return weights(model)


KINDS = ("texts", "tokens", "soft", "causal")


@pytest.mark.parametrize("kind", KINDS)
def test_accumulated_batches_are_a_plain_loop_over_big_ones(kind: str, tmp_path: Path) -> None:
    expected = by_hand(kind, tmp_path, make_loss("gce"))
    accumulated = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    assert trained(kind, tmp_path, "gce", ours=True) == pytest.approx(expected, abs=1e-6)
    assert trained(kind, tmp_path, "gce", ours=True, **accumulated) == pytest.approx(expected, abs=1e-6)
    assert (weights(model_for(kind)) - expected).abs().max() > 1e-3
    if kind != "causal":  # what a plain Trainer counts there depends on its version
        assert trained(kind, tmp_path, "gce", ours=False, **accumulated) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", ["texts", "tokens", "soft"])
def test_class_weights_are_those_of_the_whole_batch(kind: str, tmp_path: Path) -> None:
    loss = make_loss("gce", weight=torch.tensor([1.0, 4.0, 0.5]))
    expected = by_hand(kind, tmp_path, loss)
    accumulated = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    assert trained(kind, tmp_path, loss, ours=True, **accumulated) == pytest.approx(expected, abs=1e-6)


def test_a_window_of_agreement_asks_for_no_size_and_is_kept_in_checkpoints(tmp_path: Path) -> None:
    loss = make_loss("evolved-noise", agreement_window=32)
    settings = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8, "save_strategy": "epoch"}
    assert not trained("tokens", tmp_path, loss, ours=True, **settings).isnan().any()
    saved = load_file(max(tmp_path.glob("checkpoint-*")) / STATE_FILE)
    assert 5 < saved["loss_state.numbers"].sum() < 32 + 6  # and half of what a call has


def test_evaluation_has_the_mean_over_labels(tmp_path: Path) -> None:
    trainer = EvolvedTrainer(
        model=model_for("tokens"), args=arguments(tmp_path, per_device_eval_batch_size=24), loss="gce"
    )
    found = trainer.evaluate(Texts("tokens"))["eval_loss"]
    texts = Texts("tokens")
    with torch.no_grad():
        logits = model_for("tokens").eval()(input_ids=texts.ids).logits
    assert found == pytest.approx(
        float(make_loss("gce")(logits.flatten(0, 1), texts.labels.flatten())), abs=1e-6
    )


def test_statistics_are_kept_in_checkpoints(tmp_path: Path) -> None:
    def trainer(folder: Path) -> EvolvedTrainer:
        settings = {"save_strategy": "epoch", "num_train_epochs": 3}
        return EvolvedTrainer(
            model=model_for("texts"),
            args=arguments(folder, **settings),
            train_dataset=Texts("texts"),
            loss="adaptive",
        )

    whole = trainer(tmp_path / "whole")
    whole.train()
    assert (tmp_path / "whole/checkpoint-3" / STATE_FILE).is_file()
    assert f"n_samples is {N}" in str(whole.loss_func.criterion.noise_rate)
    again = trainer(tmp_path / "again")
    again.train(resume_from_checkpoint=str(tmp_path / "whole/checkpoint-3"))
    expected, found = whole.loss_func.criterion.state_dict(), again.loss_func.criterion.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert torch.equal(weights(whole.model), weights(again.model))
    (tmp_path / "whole/checkpoint-3" / STATE_FILE).unlink()
    with pytest.warns(UserWarning, match=f"training anew: .*checkpoint-3 has no {STATE_FILE}"):
        trainer(tmp_path / "without").train(resume_from_checkpoint=str(tmp_path / "whole/checkpoint-3"))


def test_the_checkpoint_of_another_run_is_not_taken_for_the_one_that_is_resumed(tmp_path: Path) -> None:
    """A Trainer of one's own tells the callback the step, and not the folder."""
    func = compute_loss_func("adaptive")

    def trainer(folder: Path, epochs: int, **settings: Any) -> Any:
        settings |= {"save_strategy": "epoch", "logging_strategy": "epoch", "num_train_epochs": epochs}
        return transformers.Trainer(
            model=model_for("texts"),
            args=arguments(folder, **settings),
            train_dataset=Texts("texts"),
            compute_loss_func=func,
            callbacks=[LossCallback(func)],
        )

    trainer(tmp_path / "own", 1, learning_rate=0.2).train()  # leaves a checkpoint of the same step
    trainer(tmp_path / "other", 1).train()
    with pytest.warns(UserWarning, match="checkpoint-3 is not the checkpoint that the training goes on from"):
        trainer(tmp_path / "own", 2).train(resume_from_checkpoint=str(tmp_path / "other/checkpoint-3"))
    assert float(func.criterion.loss_state.get_buffer("completed")) == 0, "of the second epoch alone"
    trainer(tmp_path / "other", 2).train(resume_from_checkpoint=True)
    assert float(func.criterion.loss_state.get_buffer("completed")) == 1


def test_a_second_training_begins_anew(tmp_path: Path) -> None:
    func = compute_loss_func("adaptive")
    states = []
    for _ in range(2):
        trainer = transformers.Trainer(
            model=model_for("texts"),
            args=arguments(tmp_path),
            train_dataset=Texts("texts"),
            compute_loss_func=func,
            callbacks=[LossCallback(func)],
        )
        trainer.train()
        states.append({name: value.clone() for name, value in func.criterion.state_dict().items()})
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_smoothing_that_would_be_ignored_is_said(tmp_path: Path) -> None:
    args = arguments(tmp_path, label_smoothing_factor=0.1)
    trainer = EvolvedTrainer(model=model_for("texts"), args=args, train_dataset=Texts("texts"), loss="gce")
    with pytest.warns(UserWarning, match=r"label_smoothing_factor=0\.1 is ignored .* label_smoothing="):
        trainer.train()


SHARED = """
import sys
from pathlib import Path
import torch
from tests.integrations.test_transformers import EvolvedTrainer, Texts, arguments, model_for, weights
kind, loss, folder = sys.argv[1:]
model = model_for(kind)
settings = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
args = arguments(Path(folder), **settings, ddp_find_unused_parameters=False)
trainer = EvolvedTrainer(model=model, args=args, train_dataset=Texts(kind), loss=loss)
trainer.train()
if trainer.is_world_process_zero():
    torch.save(weights(model), Path(folder) / "weights.pt")
"""


def test_two_processes_are_one(tmp_path: Path) -> None:
    kind = "tokens"
    expected = by_hand(kind, tmp_path, make_loss("gce"))
    script = tmp_path / "script.py"
    script.write_text(SHARED)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path]),
        "OMP_NUM_THREADS": "1",
    }
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0"]
    launch += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    done = subprocess.run(
        [*launch, str(script), kind, "gce", str(tmp_path)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert found == pytest.approx(expected, abs=1e-6)
