"""What the page of questions says and its own blocks do not show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from evoloss import make_loss
from evoloss.zoo import SHIPPED
from tests.documentation.pages import ROOT

OFFLINE = """
import sys

def forbid(event, arguments):
    if event.startswith("socket.") and event != "socket.__new__":
        raise SystemExit(f"{event} {arguments}")

sys.addaudithook(forbid)
import torch
from evoloss import list_losses, make_loss
from evoloss.cli import main

for loss in list_losses():
    make_loss(loss.name)
logits = torch.randn(8, 10, requires_grad=True)
make_loss("evolved-noise")(logits, torch.arange(8)).backward()
assert main(["pretrain", "--out", "mine", "--generations", "3"]) == 0
compare = ["compare", "--out", "cmp", "--losses", "cross_entropy", "mine", "--seeds", "0", "--epochs", "1"]
assert main([*compare, "--train-samples", "100", "--model", "mlp", "--quiet"]) == 0
assert main(["report", "cmp"]) == 0
print("offline")
import socket
socket.create_connection(("127.0.0.1", 9))
"""


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_a_shipped_loss_is_never_negative(name: str, classes: int) -> None:
    torch.manual_seed(0)
    arguments = {"n_samples": 1000} if name == "adaptive" else {}
    criterion = make_loss(name, reduction="none", **arguments)
    for scale in (0.0, 0.3, 3.0, 30.0):
        logits = scale * torch.randn(256, classes)
        costs = criterion(logits, torch.randint(classes, (256,)))
        right = criterion(logits, logits.argmax(dim=1))
        assert min(costs.min(), right.min()) > -1e-4


def test_no_connection_is_opened(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}", "COLUMNS": "100", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "offline" in done.stdout, f"{done.stdout}\n{done.stderr}"
    assert done.stderr.strip().endswith("('127.0.0.1', 9)") or "socket." in done.stderr.splitlines()[-1]
    assert done.returncode == 1, "the last line of the script tries, to see that it would be noticed"
