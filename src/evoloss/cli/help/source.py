"""Make the help of commands from their configurations, and the groups of their options.

``python -m evoloss.cli.help.source`` writes ``pages.json`` and the completions of shells again, with shtab; a
test says when that is due.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evoloss.atomic_files import write_text
from evoloss.cli import COMMANDS
from evoloss.cli.help import FILE_NAME, SHELLS
from evoloss.cli.help.groups import GROUPS

PATH = Path(__file__).parent / FILE_NAME
_PATHS = ("dataset", "like", "loss", "losses", "shapes")  # options that may be paths
_LOSSES = (
    ("compare", "losses"),
    ("compare", "baseline"),
    ("inspect", "loss"),
    ("export", "loss"),
    ("report", "shapes"),
)
_DATASETS = (("compare", "dataset"), ("evolve", "like"))
_FIRST_SENTENCE = re.compile(r"[^.;]*")
_DEFAULT = re.compile(r"\s*\((?:default: (?P<default>.*)|required)\)$", re.DOTALL)


def help_text() -> str:
    """The content of ``pages.json``.

    Raises:
        ValueError: if an option is in no group of its command, or in more than one.
    """
    return json.dumps({name: _page(name) for name in COMMANDS}, indent=1) + "\n"


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of a command's arguments."""
    import tyro

    module, kind, _ = COMMANDS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the one way to the options of a configuration
        parser: Any = tyro.extras.get_parser(getattr(importlib.import_module(module), kind))
    found: argparse.ArgumentParser = parser
    return found


def _page(name: str) -> dict[str, Any]:
    options = {option["name"]: option for option in _options(parser_of(name))}
    groups = [
        {"title": title, "options": [options[option] for option in names]}
        for title, names in _groups(name, options).items()
    ]
    positional = [option for option in options.values() if not option["flags"]]
    required = [f"{one['flags'][0]} {one['value']}" for one in options.values() if one["required"]]
    usage = " ".join([*(one["value"] for one in positional), *required, "[OPTIONS]"])
    summary = f"{COMMANDS[name][2].capitalize()}."
    return {"summary": summary, "usage": usage, "groups": groups}


def _groups(name: str, options: Mapping[str, Any]) -> dict[str, list[str]]:
    """The groups of a command with all its options; those of a command without groups are one."""
    groups = {title: list(names) for title, names in GROUPS.get(name, {"Options": [*options]}).items()}
    named = [option for names in groups.values() for option in names]
    wrong = {
        "in no group": sorted(options.keys() - set(named)),
        "unknown": sorted(set(named) - options.keys()),
        "named twice": sorted({option for option in named if named.count(option) > 1}),
    }
    if any(wrong.values()):
        told = "; ".join(f"{what}: {', '.join(names)}" for what, names in wrong.items() if names)
        raise ValueError(f"options of evoloss {name} in {__package__}.groups: {told}")
    return groups


def _options(parser: argparse.ArgumentParser) -> Iterator[dict[str, Any]]:
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction) or action.dest == "help":
            continue
        said = (action.help or "").replace("%%", "%")
        found = _DEFAULT.search(said)
        positional = not action.option_strings
        yield {
            "name": action.dest.replace("_", "-"),
            "flags": list(action.option_strings),
            "value": "" if action.nargs == 0 else str(action.metavar or "").replace("{None}|", ""),
            "choices": [str(choice) for choice in action.choices or ()] if action.nargs != 0 else [],
            "help": _DEFAULT.sub("", said),
            "default": None if found is None or found["default"] in (None, "None") else found["default"],
            "required": not positional and said.endswith("(required)"),
        }


def names_of(command: str, option: str) -> list[str]:
    """Names that an option takes beside whatever else, from the registries; none for most options.

    Example:
        >>> names_of("compare", "dataset")
        ['digits', 'cifar10', 'cifar100', 'mnist', 'fashion_mnist']
    """
    from evoloss.data import DATASETS
    from evoloss.losses.catalogue import list_losses
    from evoloss.models import MODELS, TREES

    if (command, option) in _LOSSES:
        return [row.name for row in list_losses()]
    if (command, option) in _DATASETS:
        return [*DATASETS]
    return [*MODELS, *TREES] if (command, option) == ("compare", "model") else []


def completion_text(shell: str) -> str:
    """The content of a completion."""
    import shtab

    parser = argparse.ArgumentParser(prog="evoloss")
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("--completion", choices=[*SHELLS], help="print a script that completes for a shell")
    commands = parser.add_subparsers()
    for name, found in json.loads(help_text()).items():
        command = commands.add_parser(name, help=found["summary"])
        for option in (one for group in found["groups"] for one in group["options"]):
            added = command.add_argument(*(option["flags"] or [option["name"]]), **_argument(option))
            if "PATH" in option["value"] or option["name"] in _PATHS:
                added.complete = _names_and_files(name, option["name"])  # type: ignore[attr-defined]
            else:
                added.choices = names_of(name, option["name"]) or added.choices
    text: str = shtab.complete(parser, shell, preamble=_bash_functions() if shell == "bash" else "")
    return text


def _names_and_files(command: str, option: str) -> dict[str, str]:
    """The words of shtab for an option that takes paths, and names too if it has some.

    That of tcsh takes either of them: names of losses, and files for data sets.
    """
    import shtab

    files: dict[str, str] = {one: str(way) for one, way in shtab.FILE.items()}
    names = " ".join(names_of(command, option))
    if not names:
        return files
    kind = "losses" if (command, option) in _LOSSES else "datasets"
    return {
        "bash": f"_evoloss_{kind}_and_files",
        "zsh": f"{{_alternative 'names:name:({names})' 'files:file:_files'}}",
        "tcsh": f"({names})" if kind == "losses" else files["tcsh"],
    }


def _bash_functions() -> str:
    """The functions of bash that offer names and files."""
    lines = []
    for kind, option in (("losses", "losses"), ("datasets", "dataset")):
        names = " ".join(names_of("compare", option))
        lines.append(f"_evoloss_{kind}_and_files() {{\n  compgen -W '{names}' -- $1\n  compgen -f -- $1\n}}")
    return "\n".join(lines)


def _argument(option: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by which argparse completes an option."""
    told = _FIRST_SENTENCE.match(option["help"])
    known: dict[str, Any] = {"help": (told[0] if told else option["help"]).replace("%", "%%")}
    if not option["value"]:
        return known | ({"action": "store_true"} if option["flags"] else {})
    if option["choices"]:
        known["choices"] = option["choices"]
    return known | ({"nargs": "*"} if option["value"].startswith("[") else {})


def write() -> None:
    """Write all files."""
    write_text(PATH, help_text())
    for shell, name in SHELLS.items():
        write_text(PATH.parent / "completion" / name, completion_text(shell))


if __name__ == "__main__":
    write()
