"""The GPU path of the loss step, without one: triton_*_checks.py in Triton's interpreter, and compilation.

Whether kernels are interpreted is decided when Triton is imported, so the checks have a process of their own.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from evoloss.losses.kernels import triton_rows
from evoloss.losses.kernels.triton_launch import LONGEST_BLOCK

ROOT = Path(__file__).parents[3]
CHECKS = [str(Path(__file__).with_name(f"triton_{name}_checks.py")) for name in ("rows", "graph")]
NO_TRITON = "Triton is not installed"
with_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason=NO_TRITON)
FLOATS = ("scale", "floor", "kept", "spread")


def run(*command: str, **environment: str) -> str:
    """Run Python in the repository and return what it printed."""
    outside = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "TRITON_"))
    }
    process = subprocess.run(
        [sys.executable, *command],
        env=outside | {"OMP_NUM_THREADS": "1"} | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def run_checks(which: str, **environment: str) -> None:
    """Run the checks of these marks."""
    printed = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", which, *CHECKS, **environment)
    assert " passed" in printed


@with_triton
@pytest.mark.parametrize("which", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_in_the_interpreter(which: str) -> None:
    run_checks(which, TRITON_INTERPRET="1")


@with_triton
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_the_gpu() -> None:
    run_checks("slow or not slow")


@with_triton
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_target_out_of_range_is_a_device_side_assert() -> None:
    code = (
        "import os, torch; from evoloss.losses.kernels.triton_rows import row_costs\n"
        "try:\n"
        "    row_costs(torch.zeros(2, 3).cuda(), torch.tensor([0, 3]).cuda(), None).sum().item()\n"
        "except RuntimeError as error:\n"
        "    print(error, flush=True)\n"
        "    os._exit(0)"  # the context is lost, and what is left would fail to be freed
    )
    assert "device-side assert" in run("-c", code)


@with_triton
@pytest.mark.skipif("TRITON_INTERPRET" in os.environ, reason="kernels are interpreted, not compiled")
@pytest.mark.parametrize(
    "flags",
    [
        {"TABLES": True, "HAS_OTHER": True},
        {"TABLES": True, "HAS_OTHER": True, "DENSE": True, "WEIGHTED": True},
        {"TABLES": True, "HAS_OTHER": True, "DENSE": True, "WEIGHTED": True, "SOFT": True},
        {"TABLES": True},
        {},
        {"DENSE": True},
    ],
    ids=lambda flags: "-".join(flags).lower() or "log_probs",
)
def test_kernels_compile_without_a_gpu(
    flags: dict[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter takes more than the compiler does, so the compiler has its say too."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    compiler, target = pytest.importorskip("triton.compiler"), pytest.importorskip("triton.backends.compiler")
    from evoloss.losses.kernels.triton_kernels import backward_kernel, forward_kernel

    flags = dict.fromkeys(("SOFT", "DENSE", "WEIGHTED", "TABLES", "HAS_OTHER"), False) | flags
    kinds = dict.fromkeys(FLOATS, "fp32")
    kinds |= {"logits_ptr": "*bf16", "grads_ptr": "*bf16", "target_ptr": "*fp32" if flags["SOFT"] else "*i64"}
    for kernel, blocks in (
        (forward_kernel, ({"ONE_BLOCK": True}, {"ONE_BLOCK": False})),
        (backward_kernel, ({},)),
    ):
        for more in blocks:
            fixed: dict[str, Any] = flags | {"BLOCK": LONGEST_BLOCK} | more
            signature = {
                name: kinds.get(name, "*fp32" if name.endswith("_ptr") else "i32")
                for name in kernel.arg_names
            } | dict.fromkeys(fixed, "constexpr")
            constants = {(kernel.arg_names.index(name),): value for name, value in fixed.items()}
            source = compiler.ASTSource(kernel, signature, constexprs=constants)
            options = {"num_warps": 16, "debug": kernel is forward_kernel, "sanitize_overflow": False}
            built = compiler.compile(source, target=target.GPUTarget("cuda", 90, 32), options=options)
            text = built.asm["ptx"]
            assert ("__assertfail" in text) == (kernel is forward_kernel and not flags["SOFT"])


def test_importing_evoloss_does_not_import_triton() -> None:
    code = "import sys, evoloss, evoloss.losses.kernels.triton_rows; print(sys.modules.get('triton'))"
    assert run("-c", code).strip() == "None"


def test_without_triton_it_imports_and_says_so() -> None:
    code = (
        "import sys; sys.modules['triton'] = None; import torch\n"
        "from evoloss.losses.kernels import triton_rows as r\n"
        "print(r.available(), r.usable(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long)))"
    )
    assert run("-c", code, TRITON_INTERPRET="1").strip() == "False False"


def test_on_the_cpu_it_is_for_others_to_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert not triton_rows.usable(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))
