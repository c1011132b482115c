"""Pretraining needs no data set and no network, and the package loads nothing that it does not need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

BLOCKED = (
    "sklearn",
    "torchvision",
    "PIL",
    "lightning_fabric",
    "torchmetrics",
    "scipy",
    "matplotlib",
    "pooch",
    "ray",
    "evoloss.data",
    "evoloss.training",
    "evoloss.compare",
    "evoloss.ablate",
    "evoloss.sweeps",
    "evoloss.models",
    "evoloss.report",
)

BARE_RUN = """
    import importlib.abc, importlib.util, json, os, socket, sys
    from pathlib import Path

    class Blocker(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if any(name == each or name.startswith(each + ".") for each in BLOCKED):
                raise ModuleNotFoundError(f"{name} is blocked", name=name)
            return None

    sys.meta_path.insert(0, Blocker())

    class NoSocket(socket.socket):
        def __init__(self, *args, **kwargs):
            raise OSError("the network is blocked")

    socket.socket = NoSocket
    out = Path(sys.argv[1]).resolve()
    code = [Path(each).resolve() for each in (*sys.path, sys.prefix, sys.base_prefix) if each]
    code.append(Path(importlib.util.find_spec("evoloss").origin).resolve().parent)
    system = tuple(Path(each) for each in ("/proc", "/sys", "/dev", "/etc", "/usr/lib", "/lib"))
    stray = []

    def audit(event, args):
        if event.startswith("socket."):
            raise OSError(f"the network is blocked: {event}")
        if event != "open" or not isinstance(args[0], (str, bytes, os.PathLike)):
            return
        path = Path(os.path.realpath(os.fsdecode(args[0])))
        if not path.is_file() or any(path.is_relative_to(each) for each in (out, *system)):
            return
        is_code = path.suffix in {".py", ".pyc", ".so", ".json", ".txt", ""} and any(
            path.is_relative_to(each) for each in code
        )
        if not is_code:
            stray.append(str(path))

    sys.addaudithook(audit)
    # The guards are alive: a data set, the network and a blocked package are out of reach.
    probe = Path(sys.argv[2])
    probe.read_bytes()
    assert stray == [str(probe.resolve())], stray
    stray.clear()
    for forbidden in (lambda: socket.socket(), lambda: __import__("sklearn.datasets")):
        try:
            forbidden()
        except (OSError, ModuleNotFoundError) as error:
            assert "blocked" in str(error)
        else:
            raise SystemExit("a guard is open")

    import evoloss
    from evoloss import PretrainConfig, pretrain

    result = pretrain(PretrainConfig(generations=3, classes=(2, 10), pairs=64, popsize=8), out=out / "run")
    import torch

    logits = torch.randn(6, 10, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = evoloss.EvolvedLoss.from_pretrained(out / "run")(logits, torch.arange(6))
    loss.backward()
    facts = {
        "stray": stray,
        "generations": len(result.history),
        "consistency": result.summary["ranking_consistency"],
        "loss": float(loss.detach()),
        "gradient": float(logits.grad.abs().sum()),
    }
    (out / "facts.json").write_text(json.dumps(facts))
"""

IMPORT = """
    import sys
    import evoloss
    evoloss.pretrain, evoloss.EvolvedLoss
    print(*sorted(sys.modules), sep="\\n")
"""


def run(script: str, *arguments: Path) -> str:
    source = f"BLOCKED = {BLOCKED!r}\n" + dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", source, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pretraining_with_data_and_network_out_of_reach(tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    data.write_bytes(b"a data set")
    out = tmp_path / "out"
    out.mkdir()
    run(BARE_RUN, out, data)
    facts = json.loads((out / "facts.json").read_text())
    assert facts["stray"] == []
    assert facts["generations"] == 3
    assert 0.5 < facts["consistency"] <= 1
    assert abs(facts["loss"]) < float("inf")
    assert facts["gradient"] > 0


def test_the_package_imports_no_more_than_it_needs() -> None:
    loaded = set(run(IMPORT).split())
    assert {"evoloss", "evoloss.pretraining", "torch"} <= loaded
    extra = {
        name for name in loaded for blocked in BLOCKED if name == blocked or name.startswith(f"{blocked}.")
    }
    assert not extra


def test_a_failing_script_would_be_seen() -> None:
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run("1 / 0")
