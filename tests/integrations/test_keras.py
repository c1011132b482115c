"""Losses in Keras on each of its backends, which is one for a process."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# tests.integrations.keras_checks, tests.integrations.keras_misuse
CHECKS = [str(Path(__file__).with_name(name)) for name in ("keras_checks.py", "keras_misuse.py")]


def run(backend: str, *command: str) -> subprocess.CompletedProcess[str]:
    settings = {**os.environ, "KERAS_BACKEND": backend}
    return subprocess.run(
        [sys.executable, *command], env=settings, capture_output=True, text=True, check=False
    )


def assert_checks_pass(backend: str, chosen: str) -> None:
    """Run those checks whose names have a word, or answer an expression of pytest's ``-k``."""
    if find_spec("keras") is None:
        pytest.skip("needs keras, of the extra keras")
    if backend == "jax" and find_spec("jax") is None:
        pytest.skip("needs jax, of the extra jax")
    done = run(backend, "-m", "pytest", "-q", "-p", "no:cacheprovider", *CHECKS, "-k", chosen)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


each_backend = pytest.mark.parametrize("backend", ["torch", "jax"])
WORDS = ("those_of_torch", "plain_loop", "survives", "class_weights", "soft_labels")


@each_backend
def test_costs_and_gradients_are_those_of_torch(backend: str) -> None:
    assert_checks_pass(backend, "those_of_torch")


@each_backend
def test_fit_is_a_plain_loop(backend: str) -> None:
    assert_checks_pass(backend, "plain_loop")


@each_backend
def test_a_state_is_saved_and_loaded_with_a_model(backend: str) -> None:
    assert_checks_pass(backend, "survives")


@each_backend
def test_class_weights(backend: str) -> None:
    assert_checks_pass(backend, "class_weights")


@each_backend
def test_soft_labels(backend: str) -> None:
    assert_checks_pass(backend, "soft_labels")


@each_backend
def test_all_else(backend: str) -> None:
    assert_checks_pass(backend, f"not ({' or '.join(WORDS)})")


@pytest.mark.skipif(find_spec("keras") is None, reason="needs keras, of the extra keras")
def test_another_backend_is_refused() -> None:
    done = run("numpy", "-c", "import evoloss.integrations.keras")
    assert "losses are for the backends torch and jax of Keras, not numpy: set the environment" in done.stderr
    if find_spec("tensorflow") is None:
        done = run("tensorflow", "-c", "import evoloss.integrations.keras")
        assert "Keras is there, and what it would run on is not (No module named 'tensorflow')" in done.stderr
