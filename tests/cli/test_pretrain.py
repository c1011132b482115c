from __future__ import annotations

import json
import shlex
import signal
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import tyro

import evoloss.cli.pretrain as command_module
from evoloss.cli import main
from evoloss.cli.pretrain import PretrainCommand, defaults
from evoloss.errors import ConfigError, UnknownNameError
from evoloss.losses.evolved import EvolvedLoss
from evoloss.mutation import MUTATIONS
from evoloss.networks import NETWORKS
from evoloss.pretraining import PretrainConfig, pretrain
from evoloss.strategies import STRATEGIES
from tests.pretraining.runs import saved_params, tiny


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def parsed(*arguments: str) -> PretrainCommand:
    return tyro.cli(PretrainCommand, args=list(arguments), default=defaults(arguments))


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(tiny(generations=3).to_toml())
    return path


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["pretrain", "--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    for field in fields(PretrainCommand):
        assert f"--{field.name.replace('_', '-')}" in printed
    for name, choices in (("network", NETWORKS), ("strategy", STRATEGIES), ("mutation", MUTATIONS)):
        assert f"--{name} {{{','.join(choices)}}}" in printed


def test_help_shows_the_defaults_of_the_file(config_file: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["pretrain", "--config", str(config_file), "--help"])
    assert "(default: monotone)" in capsys.readouterr().out


def test_the_command_line_alone():
    command = parsed(
        "--out", "d", "--classes", "2", "10", "--popsize", "16", "--mutation", "chaotic", "--resume"
    )
    assert command.settings() == PretrainConfig(classes=(2, 10), popsize=16, mutation="chaotic")
    assert (command.out, command.resume, command.config) == (Path("d"), True, None)


def test_flags_win_over_the_file(config_file: Path):
    for given in (["--config", str(config_file)], [f"--config={config_file}"]):
        command = parsed("--out", "d", *given, "--popsize", "20", "--classes", "4")
        assert command.settings() == tiny(generations=3, popsize=20, classes=(4,))


def test_resume_takes_the_settings_of_the_run(tmp_path: Path):
    config = tiny(generations=3, seed=7)
    (tmp_path / "pretrain.toml").write_text(config.to_toml())
    assert parsed("--out", str(tmp_path), "--resume").settings() == config
    assert parsed("--out", str(tmp_path), "--resume", "--generations", "9").settings() == replace(
        config, generations=9
    )
    assert parsed("--out", str(tmp_path)).settings() == PretrainConfig()


def test_a_run_leaves_what_the_function_leaves(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "a [bold]run"
    assert main(["pretrain", "--out", str(out), "--config", str(config_file), "--seed", "4"]) == 0
    printed = capsys.readouterr().out
    assert f"Saved to {out}: EvolvedLoss.from_pretrained({str(out)!r})" in printed
    assert "3 generations of 8" in printed
    expected = pretrain(tiny(generations=3, seed=4))
    assert torch.equal(EvolvedLoss.from_pretrained(out).params, expected.loss.params)
    summary = json.loads((out / "summary.json").read_text())
    assert f"{summary['scores']['3']['consistency']:.5f}" in printed


def test_a_search_that_has_not_settled_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = ["--popsize", "8", "--pairs", "32", "--generations", "3", "--hidden", "4"]
    assert main(["pretrain", "--out", str(tmp_path / "short"), *run, "--classes", "3"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    scores = json.loads((tmp_path / "short" / "summary.json").read_text())
    assert scores["settled"] is False
    assert "The search has not settled: only " in printed
    assert "of held-out couples are in the right order at 3 classes, of 99.9 % asked for" in printed
    go_on = f"evoloss pretrain --out {tmp_path / 'short'} --resume --generations 303"
    assert go_on in printed
    assert "begin again without a number of generations" in printed
    assert main([*shlex.split(go_on)[1:], "--generations", "4"]) == 0, "the command works"
    capsys.readouterr()
    settled = [*run, "--classes", "2", "--network", "monotone"]  # with two classes consistent by construction
    assert main(["pretrain", "--out", str(tmp_path / "monotone"), *settled]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "not settled" not in printed
    assert (
        "The search has settled: 100.000 % of held-out couples are in the right order at 2 classes" in printed
    )
    assert f"evoloss inspect {tmp_path / 'monotone'}" in printed
    # Judged by the order that was asked for: most couples of predictions it does not compare.
    dominated = [*run, "--classes", "10", "--network", "tempered", "--error", "dominance"]
    assert main(["pretrain", "--out", str(tmp_path / "tempered"), *dominated]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "under dominance" in printed
    scores = json.loads((tmp_path / "tempered" / "summary.json").read_text())["scores"]["10"]
    assert ("not settled" in printed) == (scores["dominance"] < 0.999)
    assert scores["consistency"] < 0.99


def test_settings_without_effect_are_told(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = ["--config", str(config_file), "--groups", "9", "--out", str(tmp_path / "run")]
    assert main(["pretrain", *run]) == 0
    assert "note: no effect of groups: only the learnability fitness" in capsys.readouterr().out


def test_resume_goes_on(config_file: Path, tmp_path: Path):
    out = str(tmp_path / "run")
    assert main(["pretrain", "--out", out, "--config", str(config_file)]) == 0
    assert main(["pretrain", "--out", out, "--resume", "--generations", "5"]) == 0
    assert torch.equal(saved_params(tmp_path / "run"), pretrain(tiny(generations=5)).loss.params)


MISTAKES: dict[str, tuple[list[str], str]] = {
    "missing file": (["--config", "none.toml"], "the configuration none.toml cannot be read: No such file"),
    "not toml": (["--config", "bad.toml"], "the configuration bad.toml is not TOML"),
    "unknown key": (["--config", "key.toml"], "no setting in key.toml, 'popsiz'. Did you mean 'popsize'?"),
    "wrong type": (["--config", "type.toml"], "type.toml: popsize must be of type int, got 'many'"),
    "a prior without students": (["--prior", "general"], "--prior describes the tasks of students"),
    "noise without students": (["--prior-noise", "0.1", "0.2"], "add --fitness learnability"),
    "nothing to resume": (["--resume"], "there is nothing to resume; start without --resume"),
    "odd population": (["--strategy", "open_es", "--popsize", "9"], "popsize must be an even integer"),
    "pycma and chaos": (["--strategy", "pycma", "--mutation", "chaotic"], "pycma draws its own"),
    "concat with four counts": (["--network", "concat"], "a concat network has one class count"),
    "population of one": (["--popsize", "1"], "popsize must be at least 2, got 1"),
    "unknown regime": (["--regimes.boundry", "1"], "--regimes.boundary"),
    "misspelt option": (["--popsiz", "4"], "--popsize"),
    "unknown choice": (["--network", "deep"], "classwise"),
    "not a number": (["--generations", "many"], "generations"),
    "option without value": (["--config"], "--config"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_explained_without_a_traceback(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    contents = {"bad": "a = ", "key": "popsiz = 4", "type": 'popsize = "many"'}
    for stem, content in contents.items():
        Path(f"{stem}.toml").write_text(content)
    arguments, text = MISTAKES[name]
    try:
        status: Any = main(["pretrain", "--out", "out", *arguments])
    except SystemExit as stopped:  # mistakes that the parser of the command line finds
        status = stopped.code
    printed = capsys.readouterr()
    assert status == 2
    assert text in printed.err
    assert "Traceback" not in printed.err
    assert not Path("out").exists()


def test_the_output_directory_is_asked_for(capsys: pytest.CaptureFixture[str]):
    for arguments in ([], ["--out"]):
        with pytest.raises(SystemExit) as stopped:
            main(["pretrain", *arguments])
        assert stopped.value.code == 2
        assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize("below", ["", "/below"])
def test_an_output_directory_that_cannot_be_made(
    tmp_path: Path, config_file: Path, capsys: pytest.CaptureFixture[str], below: str
):
    (tmp_path / "file").write_text("mine")
    out = f"{tmp_path / 'file'}{below}"
    assert main(["pretrain", "--out", out, "--config", str(config_file)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("evoloss: error: ")
    assert out in error
    assert error.count("\n") == 1


def test_a_second_run_in_the_same_directory(
    tmp_path: Path, config_file: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = ["pretrain", "--out", str(tmp_path / "run"), "--config", str(config_file)]
    assert main(arguments) == 0
    assert main(arguments) == 2
    assert "holds a run already; go on with it (--resume)" in capsys.readouterr().err
    assert main([*arguments, "--resume", "--seed", "9"]) == 2
    assert "belongs to another configuration (seed: 0 -> 9)" in capsys.readouterr().err


def test_stopped_before_the_first_checkpoint_promises_nothing(
    tmp_path: Path, config_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def stop(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_module, "pretrain", stop)
    assert main(["pretrain", "--out", str(tmp_path / "run"), "--config", str(config_file)]) == 130
    printed = capsys.readouterr()
    assert "--resume" not in printed.out
    assert printed.err == "evoloss: interrupted\n"


def test_the_handler_of_sigterm_is_given_back(tmp_path: Path, config_file: Path):
    before = signal.getsignal(signal.SIGTERM)
    assert main(["pretrain", "--out", str(tmp_path / "run"), "--config", str(config_file)]) == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_defaults_pass_on_errors_of_the_file(tmp_path: Path):
    (tmp_path / "c.toml").write_text('network = "deep"')
    with pytest.raises(UnknownNameError, match="no network 'deep'"):
        defaults(["--config", str(tmp_path / "c.toml")])
    with pytest.raises(ConfigError, match="cannot be read"):
        defaults(["--config", str(tmp_path)])


@pytest.mark.slow
def test_students_in_processes_leave_the_same_bits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    settings = tiny(
        fitness="learnability",
        prior="few-shot",
        prior_classes=(2, 3),
        prior_samples=(20, 24),
        groups=1,
        tasks=1,
        generations=2,
        eval_every=2,
        eval_groups=2,
        elites=1,
        sigma=0.1,
    )
    (tmp_path / "small.toml").write_text(settings.to_toml())
    for name, more in (("here", []), ("there", ["--executor", "processes", "--workers", "2"])):
        arguments = ["--config", str(tmp_path / "small.toml"), "--out", str(tmp_path / name), *more]
        assert main(["pretrain", *arguments]) == 0
    assert "Held-out synthetic tasks" in capsys.readouterr().out
    assert torch.equal(saved_params(tmp_path / "here"), saved_params(tmp_path / "there"))


def test_an_executor_is_for_students(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["pretrain", "--out", str(tmp_path / "a"), "--executor", "processes", "--workers", "2"]) == 2
    assert "leave --executor out" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
