"""Made-up runs, for tests that need results without trainings."""

from __future__ import annotations

from typing import Any

from evoloss.compare.results import Results
from evoloss.training import History, RunResult

TEST_VALUES = ("test_accuracy", "best_test_accuracy", "test_nll", "test_ece")
ADDED_VALUES = ("temperature", "test_nll_scaled", "test_ece_scaled", "best_test_nll", "best_test_ece")


def make_run(loss: str = "cross_entropy", seed: int = 0, accuracy: float = 90.0, **changes: Any) -> RunResult:
    values: dict[str, Any] = {
        "loss": loss,
        "loss_fingerprint": "0" * 16,
        "dataset": "digits",
        "data_fingerprint": "1" * 16,
        "model": "cnn",
        "seed": seed,
        "lr": 0.05,
        "label_noise": 0.0,
        "noise_kind": "symmetric",
        "epochs": 2,
        "batch_size": 64,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 5e-4,
        "schedule": "one_cycle",
        "clip_grad": 5.0,
        "augment": "none",
        "eval_every": 1,
        "precision": "32-true",
        "devices": 1,
        "device": "cpu",
        "n_classes": 10,
        "n_train": 1294,
        "n_validation": 144,
        "n_test": 359,
        "n_parameters": 47034,
        "test_accuracy": accuracy,
        "best_test_accuracy": accuracy + 0.5,
        "test_nll": 0.25,
        "test_ece": 0.03,
        "temperature": 1.25,
        "test_nll_scaled": 0.2,
        "test_ece_scaled": 0.02,
        "best_test_nll": 0.24,
        "best_test_ece": 0.04,
        "validation_accuracy": accuracy - 1,
        "validation_nll": 0.5,
        "best_validation_accuracy": accuracy,
        "best_epoch": 1,
        "train_seconds": 1.5,
        "diverged": False,
        "history": History(train_loss=(2.0, 0.5), validation_accuracy=(accuracy, accuracy - 1)),
    }
    return RunResult(**{**values, **changes})


def make_tuning_run(loss: str, lr: float, seed: int, accuracy: float, nll: float = 0.5) -> RunResult:
    untested = dict.fromkeys((*TEST_VALUES, *ADDED_VALUES))
    return make_run(loss, seed, lr=lr, **{**untested, "validation_accuracy": accuracy, "validation_nll": nll})


def make_results(**changes: Any) -> Results:
    table = {"cross_entropy": (90.0, 91.0, 92.0), "gce": (91.0, 92.5, 92.5), "mae": (10.0, 20.0, 30.0)}
    runs = [make_run(loss, seed, value) for loss, row in table.items() for seed, value in enumerate(row)]
    values: dict[str, Any] = {
        "config": {"epochs": 2, "losses": list(table), "seeds": [0, 1, 2], "lr_grid": [0.1]},
        "created_with": {"evoloss": "0.1.0", "torch": "2.13.0"},
        "baseline": "cross_entropy",
        "complete": True,
        "runs": tuple(runs),
    }
    return Results(**{**values, **changes})
