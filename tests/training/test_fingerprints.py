from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from evoloss.data import Split
from evoloss.losses import LOSSES
from evoloss.losses.resolve import resolve_loss
from evoloss.training.fingerprints import fingerprint_dataset, fingerprint_loss
from evoloss.zoo import SHIPPED
from tests.training.blobs import feature_blobs

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

# What committed results name their losses by: what the loss is now comes last, before it what it was when
# results were committed that are kept. A number is added only if the loss becomes another one; a loss without
# results has none.
COMMITTED = {
    "adaptive": (
        "0befc67439ecb3a7",
        "31d157e48c4f3443",
        "1cf58b134199480c",
        "3cc0ba1c99fa240f",
        "2d4826ac119c1281",
    ),
    "agce": ("4a82ced3e770f8d0",),
    "anl_ce": ("313d5cd318432b93",),
    "baikal": ("b811ed606b736687",),
    "base_mda": ("044e29a78e1498d6",),
    "bi_tempered": ("cc8037876fcd2ce2",),
    "brier": ("960bd72f84ecaa7a",),
    "cross_entropy": ("73bb4cec0958df0f",),
    "evolved-base": ("be2d388e5662d4b3", "d914fc6df3769855"),
    "evolved-noise": ("d62016a750ae34bf",),
    "evolved-noise-long": ("592cd5c9c21ad44f",),
    "evolved-noise-strong": ("147a61382c2a689e",),
    "evolved-small": ("49dcfc9dfc8b2880",),
    "focal": ("2a9cfd5c27f2d34e",),
    "fresh": ("096cebd966707e34",),
    "gce": ("d2ef47ea0d8c2468",),
    "jal_ce": ("5a5e88b9c6484f22",),
    "label_smoothing": ("e388e462139e123e",),
    "mae": ("64d43d6b0662e0eb",),
    "maxsup": ("874ce3487104ad72",),
    "nce_rce": ("a7dec603f7480486",),
    "ngl": ("eeae8cb618f59645",),
    "ogc": ("e8d365b346cff09a",),
    "own-13": ("c3dfb82adb8276a2",),
    "own-clean": ("2e5e9cf099af49f0",),
    "own-few-samples": ("9b4cd36b07a3f7cd",),
    "own-memorisation": ("c59801c9ec21e158",),
    "paper-classwise": ("48f53490ef06b06e",),
    "paper-concat": ("9d3bdced24a32c02",),
    "poly1": ("d452a3e621c7b1be",),
    "sce": ("1cfefb1e7e323d06",),
    "smoothed_log": ("0968f1bf07e0e464",),
}


@pytest.mark.parametrize("name", [*(name for name in COMMITTED if name in LOSSES), *SHIPPED])
def test_a_loss_keeps_its_fingerprint_wherever_its_file_lies(name: str) -> None:
    assert fingerprint_loss(resolve_loss(name)) == COMMITTED[name][-1]


def test_all_committed_results_are_of_losses_that_are_still_found() -> None:
    files = [path for path in BENCHMARKS.rglob("results.json") if "loss_fingerprint" in path.read_text()]
    assert len(files) >= 19
    for path in files:
        document = json.loads(path.read_text())
        runs = [*document["runs"], *document.get("tuning", [])]
        strangers = {
            run["loss"] for run in runs if run["loss_fingerprint"] not in COMMITTED.get(run["loss"], ())
        }
        assert not strangers, f"{path} holds runs of {sorted(strangers)} that count as not run"


def test_a_subclass_is_another_loss_and_an_option_makes_another_one() -> None:
    class Gce(LOSSES["gce"]):  # type: ignore[misc]
        pass

    variants = [LOSSES["gce"](), Gce(), LOSSES["gce"](q=0.5), LOSSES["gce"](label_smoothing=0.1)]
    assert len({fingerprint_loss(loss) for loss in variants}) == len(variants)


def test_losses_differ_by_class_and_tensors() -> None:
    assert fingerprint_loss(LOSSES["gce"]()) == fingerprint_loss(LOSSES["gce"]())
    assert fingerprint_loss(LOSSES["gce"]()) != fingerprint_loss(LOSSES["cross_entropy"]())
    weighted = [nn.CrossEntropyLoss(weight=torch.tensor([1.0, w])) for w in (2.0, 3.0)]
    assert fingerprint_loss(weighted[0]) != fingerprint_loss(weighted[1])


def test_one_changed_label_or_value_changes_a_data_set() -> None:
    dataset = feature_blobs()
    labels, inputs = dataset.test.labels.clone(), dataset.train.inputs.clone()
    labels[0] = (labels[0] + 1) % 3
    inputs[5, 2] += 1e-6
    variants = [
        dataset,
        dataclasses.replace(dataset, test=Split(dataset.test.inputs, labels)),
        dataclasses.replace(dataset, train=Split(inputs, dataset.train.labels)),
    ]
    assert len({fingerprint_dataset(variant) for variant in variants}) == 3
    assert fingerprint_dataset(feature_blobs()) == fingerprint_dataset(dataset)
