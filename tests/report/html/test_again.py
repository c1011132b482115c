from __future__ import annotations

import shlex
from dataclasses import fields

from evoloss.cli.arguments import parse
from evoloss.cli.compare import CompareCommand
from evoloss.compare.config import CompareConfig
from evoloss.report.html.again import command_of, needs_paths
from tests.compare.runs import make_results, make_run
from tests.report.html.made_up import CONFIG


def _settings(config: CompareConfig) -> dict[str, object]:
    values = {entry.name: getattr(config, entry.name) for entry in fields(CompareConfig)}
    del values["data_dir"], values["download"]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def test_the_command_makes_the_same_comparison() -> None:
    config = CompareConfig(
        dataset="my table.csv",
        target="a b",
        losses=("gce:q=0.5", "evolved-base"),
        seeds=(3, 1),
        baseline="evolved-base",
        epochs=7,
        label_noise=0.4,
        noise_kind="asymmetric",
        nesterov=False,
        tune_lr=True,
        lr_grid=(0.001, 0.3),
        lr=0.123456789,
    )
    settings = _settings(config)
    command = command_of(make_results(config={**settings, "class_names": ["a"], "own_data": True}))
    words = shlex.split(command)
    assert words[:2] == ["evoloss", "compare"]
    (again,) = parse(CompareCommand, words[2:]).configs()
    assert {entry.name: getattr(again, entry.name) for entry in fields(CompareConfig)} == {
        entry.name: getattr(config, entry.name) for entry in fields(CompareConfig)
    }


def test_other_defaults_are_left_out() -> None:
    settings = _settings(CompareConfig())
    settings["baseline"] = "cross_entropy"
    settings.pop("keep", None)  # told, since its default on the command line is another
    assert command_of(make_results(config=settings)) == (
        "evoloss compare --out DIR --dataset digits --model cnn --losses cross_entropy evolved-base "
        "--seeds 0 1 2"
    )


def test_paths_have_to_be_put_in_for_data_of_ones_own() -> None:
    assert needs_paths(make_results(config=CONFIG))
    assert not needs_paths(make_results())
    assert needs_paths(make_results(config={"train_labels": "annotators.npz"}))
    assert needs_paths(make_results(runs=(make_run("cross_entropy"), make_run("saved-loss"))))
