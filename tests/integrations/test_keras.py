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


@pytest.mark.skipif(find_spec("keras") is None, reason="needs keras, of the extra keras")
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_checks(backend: str) -> None:
    if backend == "jax" and find_spec("jax") is None:
        pytest.skip("needs jax, of the extra jax")
    done = run(backend, "-m", "pytest", "-q", "-p", "no:cacheprovider", *CHECKS)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@pytest.mark.skipif(find_spec("keras") is None, reason="needs keras, of the extra keras")
def test_another_backend_is_refused() -> None:
    done = run("numpy", "-c", "import evoloss.integrations.keras")
    assert "losses are for the backends torch and jax of Keras, not numpy: set the environment" in done.stderr
    if find_spec("tensorflow") is None:
        done = run("tensorflow", "-c", "import evoloss.integrations.keras")
        assert "Keras is there, and what it would run on is not (No module named 'tensorflow')" in done.stderr
