"""Help without imports: it is that of the configurations, and mistakes in options are told at once."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evoloss.cli import COMMANDS, main
from evoloss.cli.help import SHELLS, completion, is_help, page, pages
from evoloss.cli.help.groups import EXAMPLES, GROUPS
from evoloss.cli.help.source import PATH, completion_text, help_text, names_of, parser_of
from evoloss.data import DATASETS
from evoloss.losses import LOSSES
from evoloss.losses.catalogue import list_losses
from evoloss.models import MODELS, TREES
from evoloss.zoo import SHIPPED


def test_the_file_is_what_the_configurations_say() -> None:
    assert PATH.read_text(encoding="utf-8") == help_text(), "run python -m evoloss.cli.help.source"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_the_parser_is_on_the_page_once(name: str) -> None:
    flags = [flag for action in parser_of(name)._actions for flag in action.option_strings]
    shown = [line.split()[0].rstrip(",") for line in page(name).splitlines() if line.startswith("  --")]
    assert len(shown) == len(set(shown))
    assert set(shown) == {
        flag for flag in flags if flag.startswith("--") and not flag.startswith("--no-")
    } - {"--help"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_has_an_example_and_examples_name_options_that_there_are(name: str) -> None:
    assert EXAMPLES[name]
    known = {flag for action in parser_of(name)._actions for flag in action.option_strings}
    for command, what in EXAMPLES[name]:
        words = command.split()
        assert words[:2] == ["evoloss", name]
        assert {word for word in words if word.startswith("--")} <= known
        assert what
        assert command in page(name)


def test_groups_are_those_of_commands() -> None:
    assert GROUPS.keys() <= COMMANDS.keys() == pages().keys()


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_page_is_as_wide_as_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = [line for line in page("compare").splitlines() if line.startswith("      ")]
    words = max(len(word) for line in text for word in line.split())
    assert max(map(len, text)) <= max(min(columns, 110), words + 6)
    assert len(text) > 60


def test_help_that_depends_on_a_file_is_not_ready_made() -> None:
    assert is_help("compare", ["--help"])
    assert is_help("compare", ["--out", "x", "-h"])
    assert not is_help("compare", ["--out", "x"])
    assert not is_help("pretrain", ["--config=mine.toml", "--help"])
    assert not is_help("pretrain", ["--resume", "-h"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["compare", "--out", "x", "--lable-noise", "0.4"], "Did you mean '--label-noise'?"),
        (["compare", "--lable_noise=0.4"], "Did you mean '--label-noise'?"),
        (["pretrain", "--out", "x", "--popsiz", "3"], "Did you mean '--popsize'?"),
        (["evolve", "--fro", "noise"], "Did you mean '--for'?"),
    ],
)
def test_an_option_that_there_is_not(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert told in error
    assert f"no option of evoloss {arguments[0]}" in error


def test_underscores_are_hyphens_and_numbers_below_0_are_no_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["compare", "--out", "x", "--label_noise", "-0.5"]) == 2
    assert "label_noise" in capsys.readouterr().err  # what is wrong is the value


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["compare", "--help"], ["pretrain", "-h"], ["compare", "--lable-noise", "1"]],
    ids=" ".join,
)
def test_neither_torch_nor_numpy_is_imported_to_answer(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom evoloss.cli import main\n"
        f"try:\n    main({arguments!r})\nfinally:\n"
        "    found = {'torch', 'numpy', 'tyro', 'rich'} & sys.modules.keys()\n"
        "    print(f'imported: {sorted(found)}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "imported: []" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_completions_are_what_the_configurations_say(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert completion(shell) == completion_text(shell), "run python -m evoloss.cli.help.source"
    assert main(["--completion", shell]) == 0
    assert capsys.readouterr().out == completion(shell)
    assert main([f"--completion={shell}"]) == 0


def test_a_shell_without_a_completion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--completion", "bahs"]) == 2
    assert "Did you mean 'bash'?" in capsys.readouterr().err
    assert main(["--completion"]) == 2
    assert "for which shell?" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("evoloss co", "compare"),
        ("evoloss compare --la", "--label-noise"),
        ("evoloss evolve --for no", "noise"),
        ("evoloss evolve --like di", "digits"),
        ("evoloss compare --losses cross_entropy ada", "adaptive"),
        ("evoloss compare --losses cross_entropy mine", "mine-of-a-folder"),
        ("evoloss compare --baseline cross", "cross_entropy"),
        ("evoloss compare --model resnet2", "resnet20"),
        ("evoloss compare --dataset digits fashion", "fashion_mnist"),
        ("evoloss inspect evolved-n", "evolved-noise"),
    ],
)
def test_bash_completes(line: str, offered: str, tmp_path: Path) -> None:
    script = tmp_path / "evoloss.bash"
    script.write_text(completion("bash"), encoding="utf-8")
    (tmp_path / "mine-of-a-folder").mkdir()
    words = line.split()
    ask = f"""source {script}
COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}; COMP_LINE="{line}"
$(complete -p evoloss | sed 's/.*-F \\([^ ]*\\).*/\\1/') evoloss "{words[-1]}" "{words[-2]}"
printf '%s\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert offered in done.stdout.split(), done.stdout + done.stderr


def test_completions_have_the_names_of_all_registries() -> None:
    assert names_of("compare", "losses") == [row.name for row in list_losses()]
    assert names_of("compare", "model") == [*MODELS, *TREES]
    assert names_of("compare", "dataset") == names_of("evolve", "like") == [*DATASETS]
    assert names_of("compare", "seeds") == names_of("ablate", "baseline") == []
    for shell in SHELLS:
        words = set(re.split(r"[\s()'\"]+", completion(shell)))
        datasets = () if shell == "tcsh" else DATASETS  # its options take files or names, not both
        for name in (*LOSSES, *SHIPPED, *MODELS, *datasets):
            assert name in words, (shell, name)
