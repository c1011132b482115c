"""Losses in the Trainer of Lightning: a plain loop, statistics in checkpoints, what the callback logs."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from evoloss import make_loss
from evoloss.errors import ConfigError
from evoloss.networks import BATCH_COUNT
from tests.integrations.plain_loop import (
    BATCH,
    CLASSES,
    RATE,
    N,
    Order,
    assert_same_state,
    is_trained,
    network,
    task,
    train_plainly,
    weights,
)

PACKAGES = ("lightning.pytorch", "pytorch_lightning")
FOUND = [package for package in PACKAGES if importlib.util.find_spec(package.partition(".")[0])]
if not FOUND:
    pytest.skip("neither lightning nor pytorch_lightning is installed", allow_module_level=True)
for package in FOUND:  # before the callback, which is one of theirs
    importlib.import_module(package)

from evoloss.integrations.lightning import LossCallback  # noqa: E402

# Lightning's word on loaders and intervals, and on what it is built on, is not what is tested here.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*no `val_dataloader`"),
    pytest.mark.filterwarnings("ignore:.*treespec"),
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before"),
]


def module_of(package: str, criterion: nn.Module) -> Any:
    """A module as the documentation of Lightning has it."""

    class Classifier(importlib.import_module(package).LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network, self.criterion = network(), criterion

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            x, y, _ = batch
            return self.criterion(self.network(x), y)

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            x, y, _ = batch
            self.log("val_loss", self.criterion(self.network(x), y))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.network.parameters(), lr=RATE)

    return Classifier()


def loader(n: int = N, wrong: int = 0, **options: Any) -> DataLoader[Any]:
    x, y = task(n, wrong)
    given = {"batch_size": BATCH, "sampler": Order(n)} | options
    return DataLoader(TensorDataset(x, y, torch.arange(n)), **given)


def trainer_of(package: str, folder: Path, *callbacks: Any, epochs: int = 2, **options: Any) -> Any:
    given = {
        "default_root_dir": folder, "max_epochs": epochs, "accelerator": "cpu", "logger": False,
        "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False,
    }  # fmt: skip
    return importlib.import_module(package).Trainer(**given | options, callbacks=list(callbacks))


@pytest.mark.parametrize("package", FOUND)
@pytest.mark.parametrize("name", ["gce", "evolved-noise", "adaptive", "elr", "ogc", "dal"])
def test_two_epochs_are_a_plain_loop(package: str, name: str, tmp_path: Path) -> None:
    expected = make_loss(name)
    model, means = train_plainly(expected)
    found = module_of(package, make_loss(name))
    trainer = trainer_of(package, tmp_path, LossCallback(index=2))
    trainer.fit(found, loader(), loader(sampler=None))
    assert is_trained(model)
    assert weights(found.network) == pytest.approx(weights(model), abs=1e-6)
    assert_same_state(expected, found.criterion)
    assert float(trainer.callback_metrics["criterion/loss"]) == pytest.approx(means[-1], abs=1e-6)
    assert not found.criterion._forward_hooks
    assert not found.criterion._forward_pre_hooks


def test_a_loss_without_state_needs_no_callback(tmp_path: Path) -> None:
    model, _ = train_plainly(make_loss("evolved-base"))
    found = module_of(FOUND[0], make_loss("evolved-base"))
    trainer_of(FOUND[0], tmp_path).fit(found, loader(), loader(sampler=None))
    assert weights(found.network) == pytest.approx(weights(model), abs=1e-6)


@pytest.mark.parametrize("package", FOUND)
@pytest.mark.parametrize("name", ["adaptive", "elr", "ogc", "base_mda"])
def test_a_training_that_resumes_is_one_that_was_not_stopped(package: str, name: str, tmp_path: Path) -> None:
    expected = make_loss(name)
    model, _ = train_plainly(expected, epochs=4)
    # A training that is stopped at half of its epochs is planned for all of them.
    stop = Stop(2)
    first = trainer_of(package, tmp_path, LossCallback(index=2), stop, epochs=4)
    first.fit(module_of(package, make_loss(name)), loader())
    first.save_checkpoint(tmp_path / "half.ckpt")
    saved = torch.load(tmp_path / "half.ckpt", weights_only=False)["state_dict"]
    assert any(key.startswith("criterion.loss_state.") for key in saved)
    again = module_of(package, make_loss(name))
    trainer_of(package, tmp_path, LossCallback(index=2), epochs=4).fit(
        again, loader(), ckpt_path=str(tmp_path / "half.ckpt")
    )
    assert weights(again.network) == pytest.approx(weights(model), abs=1e-6)
    assert_same_state(expected, again.criterion)


class Stop(*(importlib.import_module(package).Callback for package in FOUND)):  # type: ignore[misc]
    """Stop after some epochs."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        trainer.should_stop = trainer.current_epoch + 1 >= self.after


def test_agreement_is_that_of_the_batches(tmp_path: Path) -> None:
    trainer = trainer_of(FOUND[0], tmp_path, LossCallback(), epochs=1)
    criterion = make_loss("evolved-noise", ignore_index=0)
    trainer.fit(module_of(FOUND[0], criterion), loader())
    model, total = network(), 0.0
    x, y = task()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    for index in torch.tensor(list(Order())).split(BATCH):
        logits, target = model(x[index]), y[index]
        probs = logits.detach().double().softmax(1)
        counted = [i for i in range(len(target)) if target[i] != 0]
        mean = sum(float(probs[i, target[i]]) for i in counted) / len(counted)
        seen = []
        for i in counted:  # by the definition, one sample after another
            others = [float(probs[j, target[j]]) for j in counted if j != i and target[j] == target[i]]
            shared = (sum(others) + BATCH_COUNT * mean) / (len(others) + BATCH_COUNT)
            seen.append(min(max((shared - 1 / CLASSES) / (1 - 1 / CLASSES), 0), 1))
        total += sum(seen) / len(seen) * len(index)
        optimizer.zero_grad()
        criterion(logits, target).backward()
        optimizer.step()
    assert float(trainer.callback_metrics["criterion/agreement"]) == pytest.approx(total / N, abs=1e-6)


def test_the_share_of_wrong_labels_is_logged_once_it_is_sensed(tmp_path: Path) -> None:
    n = 600
    trainer = trainer_of(FOUND[0], tmp_path, LossCallback(), epochs=1)
    module = module_of(FOUND[0], make_loss("adaptive"))
    trainer.fit(module, loader(n, wrong=180))
    assert "criterion/noise_rate" not in trainer.callback_metrics
    trainer = trainer_of(FOUND[0], tmp_path, LossCallback(), epochs=9)
    trainer.fit(module, loader(n, wrong=180))
    rate = module.criterion.noise_rate
    assert rate.low < 0.3 < rate.high
    for name, value in (("", rate.estimate), ("_low", rate.low), ("_high", rate.high)):
        assert float(trainer.callback_metrics[f"criterion/noise_rate{name}"]) == pytest.approx(value)


@pytest.mark.parametrize(
    ("options", "limit", "size"),
    [({}, 1.0, N), ({"drop_last": True}, 1.0, 48), ({}, 2, 32), ({"batch_size": None}, 1.0, N)],
)
def test_an_epoch_has_the_samples_that_are_trained_on(
    options: dict[str, Any], limit: Any, size: int, tmp_path: Path
) -> None:
    module = module_of(FOUND[0], make_loss("adaptive"))
    if "batch_size" in options:
        sampler = torch.utils.data.BatchSampler(Order(), BATCH, drop_last=False)
        given = DataLoader(loader().dataset, batch_sampler=sampler)
    else:
        given = loader(**options)
    trainer_of(FOUND[0], tmp_path, LossCallback(), epochs=1, limit_train_batches=limit).fit(module, given)
    assert int(module.criterion.loss_state.get_buffer("n_samples")) == size


class Endless(IterableDataset[Any]):
    """Samples without an end."""

    def __iter__(self) -> Any:
        x, y = task()
        yield from ((x[i % N], y[i % N], i % N) for i in range(10 * N))


def test_what_is_not_known_has_to_be_said(tmp_path: Path) -> None:
    def fit(name: str, callback: LossCallback, data: Any = None, **options: Any) -> Any:
        module = module_of(FOUND[0], make_loss(name))
        given = {"max_steps": 4} | options
        trainer_of(FOUND[0], tmp_path, callback, **given).fit(module, data or DataLoader(Endless(), BATCH))
        return module

    with pytest.raises(ConfigError, match=r"elr asks for n_samples.*LossCallback\(n_samples=\.\.\.\)"):
        fit("elr", LossCallback(index=2))
    with pytest.raises(ConfigError, match=r"dal asks for epochs.*Trainer\(max_epochs=\.\.\.\)"):
        fit("dal", LossCallback(n_samples=N), epochs=-1)
    told = fit("adaptive", LossCallback(n_samples=N))
    assert f"n_samples is {N}" in str(told.criterion.noise_rate)
    with pytest.raises(TypeError, match="elr: a training call needs the place"):
        fit("elr", LossCallback(), loader())
    with pytest.raises(ConfigError, match=r"LossCallback\(index=5\): the batch has no such item \(list\)"):
        fit("elr", LossCallback(index=5), loader())
    with pytest.raises(ConfigError, match=r"index='place'\): the batch has no such item \(list\)"):
        fit("elr", LossCallback(index="place"), loader())


def test_a_module_without_a_loss_is_an_error(tmp_path: Path) -> None:
    module = module_of(FOUND[0], nn.CrossEntropyLoss())
    with pytest.raises(ConfigError, match="Classifier has no loss of evoloss"):
        trainer_of(FOUND[0], tmp_path, LossCallback()).fit(module, loader())


def test_with_many_labels_a_sample_their_number_has_to_be_said(tmp_path: Path) -> None:
    def segmentation(criterion: nn.Module) -> Any:
        module = module_of(FOUND[0], criterion)
        module.training_step = lambda batch, batch_idx: module.criterion(
            module.network(batch[0])[:, :, None].expand(-1, -1, 4), batch[1][:, None].expand(-1, 4)
        )
        return module

    module = segmentation(make_loss("adaptive"))
    with pytest.raises(ConfigError, match=r"a sample has 4 labels here.*LossCallback\(n_samples=\.\.\.\)"):
        trainer_of(FOUND[0], tmp_path, LossCallback()).fit(module, loader())
    assert not module.criterion._forward_hooks  # left as it was
    assert not module.criterion._forward_pre_hooks
    callback = LossCallback(n_samples=4 * N)
    trainer = trainer_of(FOUND[0], tmp_path, callback, epochs=1)
    trainer.fit(segmentation(make_loss("adaptive")), loader())
    trainer_of(FOUND[0], tmp_path, LossCallback(), epochs=1).fit(segmentation(make_loss("gce")), loader())


SHARED = """
import sys
from pathlib import Path
import torch
from evoloss import make_loss
from tests.integrations.test_lightning import FOUND, LossCallback, loader, module_of, trainer_of
module = module_of(FOUND[0], make_loss("adaptive"))
trainer = trainer_of(FOUND[0], Path(sys.argv[1]), LossCallback(), strategy="ddp", devices=2)
trainer.fit(module, loader(sampler=None, batch_size=8, drop_last=True))
torch.save(module.criterion.state_dict(), Path(sys.argv[1]) / f"{trainer.global_rank}.pt")
"""


@pytest.mark.slow
def test_two_processes_share_the_statistics(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SHARED)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True, text=True, env=environment, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(one[name], other[name]) for name in one)
    # Each of the two has 30 samples, 3 batches of 8.
    assert int(one["loss_state.n_samples"]) == 48
    assert float(one["loss_state.completed"]) * 48 + float(one["loss_state.into"]) == 2 * 48


@pytest.mark.parametrize("package", FOUND)
def test_the_callback_is_one_of_the_package_that_was_imported_before(package: str) -> None:
    code = f"""
import sys, {package}
from evoloss.integrations.lightning import LossCallback
assert issubclass(LossCallback, sys.modules["{package}"].Callback)
others = {{"lightning.pytorch", "pytorch_lightning"}} - {{"{package}"}}
assert not others & set(sys.modules), "only what is in use is imported"
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=300)
