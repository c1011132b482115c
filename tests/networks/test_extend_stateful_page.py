"""The kind that docs/extend/stateful-network.md adds works as it says, in a search too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from evoloss.losses import EvolvedLoss
from evoloss.networks import NETWORKS
from evoloss.networks.base import LossNetwork
from tests.documentation.pages import ROOT, blocks
from tests.losses import evolved_losses
from tests.losses.conformance import test_calls, test_parameters
from tests.losses.conformance.subjects import Subject
from tests.networks import test_kinds_with_a_state, test_states_under_tools
from tests.networks.stateful import check_promises_of_a_state
from tests.networks.test_extend_page import imported
from tests.networks.test_kinds import check_promises

PAGE = ROOT / "docs/extend/stateful-network.md"
KIND, TEST = blocks(PAGE, "python")
SEARCH = """
import sys
from evoloss.networks import NETWORKS
import maturing_of_the_page
NETWORKS["maturing"] = maturing_of_the_page.MaturingNetwork  # before the names of kinds become types
from evoloss.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the example entered in ``NETWORKS``."""
    module = imported("maturing_of_the_page", KIND, tmp_path)
    monkeypatch.setitem(NETWORKS, "maturing", module.MaturingNetwork)
    with torch.serialization.safe_globals([module.MaturingNetwork]):
        yield tmp_path
    del sys.modules["maturing_of_the_page"]


def test_the_example_keeps_what_every_kind_promises(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_promises("maturing", monkeypatch)


@pytest.mark.slow
def test_the_example_keeps_what_every_state_promises(folder: Path) -> None:
    for tests in (test_kinds_with_a_state, test_states_under_tools):
        check_promises_of_a_state(vars(tests), "maturing", folder)


def test_its_own_tests_pass(folder: Path) -> None:
    module = imported("test_of_the_page", TEST, folder)
    module.test_it_begins_as_cross_entropy_and_ends_as_gce()
    for steps in (1, 5):
        module.test_the_mean_forgets_in_samples(steps)
    module.test_labels_that_are_not_learned_change_nothing()
    del sys.modules["test_of_the_page"]


def test_it_goes_through_the_suite_of_all_losses(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(evolved_losses.EVERY_NETWORK, "maturing", NETWORKS["maturing"]())
    subject = Subject("evolved maturing", lambda **options: evolved_losses.evolved("maturing", **options))
    test_calls.test_calls_are_the_plain_rule_forward_and_backward(subject)
    for kind in test_parameters.KINDS:
        test_parameters.test_gradient_by_the_parameters_is_that_of_differences(subject, kind)


@pytest.mark.slow  # a look at 80 held-out tasks is part of every search
def test_a_search_makes_one(folder: Path) -> None:
    small = (
        "--generations 1 --popsize 4 --pairs 32 --groups 1 --tasks 1 --eval-groups 2 --prior-samples 60 60"
    )
    command = f"pretrain --out {folder}/mine --network maturing --fitness learnability {small}"
    subprocess.run([sys.executable, "-c", SEARCH, *command.split()], check=True, cwd=folder)
    loss = EvolvedLoss.from_pretrained(folder / "mine")
    assert loss.network.kind == "maturing"
    target = torch.arange(4)
    for _ in range(3):
        loss((5.0 * torch.eye(4)).requires_grad_(), target).backward()
    assert 0 < loss.state_dict()["loss_state.mean"] < 1


def test_every_question_of_a_state_is_listed() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in ("keeps_state", "initial_state", "batch_sums", "take_in", "context", "states"):
        assert f"| `{name}" in text
        assert name in vars(LossNetwork)
