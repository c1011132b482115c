"""The cost of a loss's first call, at the largest networks that a saved loss may have.

``python -m benchmarks.robustness.first_call`` rewrites ``results/first_call.json``, in about a minute on a
core.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.robustness.campaign import RESULTS, peak_megabytes
from evoloss._version import __version__
from evoloss.errors import CanonicalFormError
from evoloss.losses.evolved import EvolvedLoss
from evoloss.networks import ClasswiseNetwork, ConcatNetwork, LossNetwork, MonotoneNetwork
from evoloss.networks.mlp import MAX_LAYERS, MAX_WEIGHTS, MAX_WIDTH

BATCH = 64
NETWORKS: dict[str, Callable[[], LossNetwork]] = {
    "usual": lambda: ClasswiseNetwork(hidden=(8, 8)),
    "two wide layers": lambda: ClasswiseNetwork(hidden=(512, 500)),
    "the widest layer": lambda: ClasswiseNetwork(hidden=(MAX_WIDTH,)),
    "the widest layer and another": lambda: ClasswiseNetwork(hidden=(MAX_WIDTH, 250)),
    "the most layers": lambda: ClasswiseNetwork(hidden=(128,) * MAX_LAYERS),
    "the most layers, monotone": lambda: MonotoneNetwork(hidden=(128,) * MAX_LAYERS, activation="softplus"),
    "concat, 1,000 classes": lambda: ConcatNetwork(n_classes=1000, hidden=(100, 100)),
    "concat, the most classes": lambda: ConcatNetwork(n_classes=1024, hidden=(16, 16)),
}


def measure(name: str) -> dict[str, Any]:
    """Processor seconds and memory of making a loss, of its first calls and of saving it, in this process."""
    torch.set_num_threads(1)
    network = NETWORKS[name]()
    EvolvedLoss("evolved-base")(
        torch.zeros(2, 3), torch.tensor([0, 1])
    )  # what Python loads counts for nobody
    before = peak_megabytes()
    began = time.process_time()
    loss = _usable(network)
    row: dict[str, Any] = {"network": name, "n_params": network.n_params}
    row["make_seconds"] = round(time.process_time() - began, 2)
    for n_classes in network.class_counts or (10, 1000):
        logits = torch.randn(BATCH, n_classes, generator=torch.Generator().manual_seed(0), requires_grad=True)
        began = time.process_time()
        loss(logits, torch.arange(BATCH) % n_classes).backward()
        row[f"first_call_seconds_{n_classes}"] = round(time.process_time() - began, 2)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as place:
        loss.save_pretrained(place)
        row["kilobytes"] = round(sum(path.stat().st_size for path in Path(place).iterdir()) / 1000)
    row["save_seconds"] = round(time.process_time() - began, 2)
    row["megabytes"] = round(peak_megabytes() - before)
    return row


def _usable(network: LossNetwork) -> EvolvedLoss:
    for seed in range(100):
        try:
            return EvolvedLoss(network, network.initial(torch.Generator().manual_seed(seed)))
        except CanonicalFormError:
            continue
    raise AssertionError(f"no usable loss of {network} among the first 100")


def main() -> None:
    """Measure every network in a process of its own and write the rows; the machine may be busy meanwhile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS / "first_call.json")
    out = parser.parse_args().out
    rows = []
    for name in NETWORKS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(measure, (name,)))
        print(rows[-1], flush=True)
    content = {
        "schema": 1,
        "limits": {"layers": MAX_LAYERS, "width": MAX_WIDTH, "weights": MAX_WEIGHTS},
        "batch": BATCH,
        "threads": 1,
        "load_average": round(os.getloadavg()[0], 1),
        "created_with": {
            "evoloss": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
        },
        "rows": rows,
    }
    out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
