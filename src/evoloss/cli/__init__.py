"""The command line: ``evoloss COMMAND ...``; each command is a module with a configuration and ``run``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import tyro

from evoloss._version import __version__
from evoloss.errors import EvolossError, MissingExtraError, UnknownNameError
from evoloss.safe_text import one_line

# Name, module, class of the configuration, one line. Modules are imported when their command is called, so
# that `evoloss losses` needs neither Fabric nor matplotlib.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "pretrain": ("evoloss.cli.pretrain", "PretrainCommand", "evolve a loss from synthetic pairs"),
    "compare": ("evoloss.cli.compare", "CompareCommand", "train classifiers with several losses and compare"),
    "ablate": (
        "evoloss.cli.ablate",
        "AblateCommand",
        "pretrain with settings varied and compare the variants",
    ),
    "inspect": ("evoloss.cli.inspect", "InspectCommand", "show what a loss does, with diagnostics"),
    "losses": ("evoloss.cli.losses", "LossesCommand", "list the losses that can be named"),
    "report": ("evoloss.cli.report", "ReportCommand", "tables and figures from results.json"),
}

_LONGEST_ERROR = 4000  # characters; a message may name ten files
EXIT_ERROR, EXIT_INTERRUPTED = 2, 130  # as shells have them


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` (by default the process's arguments) names.

    Returns:
        The exit status: 0 done, 2 a mistake in the call or the input, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return 0 if arguments else EXIT_ERROR
    if arguments[0] == "--version":
        print(f"evoloss {__version__}")
        return 0
    try:
        return _dispatch(arguments[0], arguments[1:])
    except EvolossError as error:
        print(f"evoloss: error: {one_line(error, _LONGEST_ERROR)}", file=sys.stderr)
        return EXIT_ERROR
    except OSError as error:  # a folder that cannot be written, a full disk: no fault of the program
        place = f": {error.filename}" if error.filename else ""
        print(f"evoloss: error: {one_line(f'{error.strerror or error}{place}', 400)}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("evoloss: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _dispatch(name: str, arguments: list[str]) -> int:
    if name not in COMMANDS:
        raise UnknownNameError.among("command", name, COMMANDS)
    module_name, class_name, summary = COMMANDS[name]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "evoloss":
            raise
        raise MissingExtraError.of(error.name, "experiments,report", f"evoloss {name}") from error
    # A command may take its defaults from a file that its arguments name.
    defaults = getattr(module, "defaults", None)
    config = tyro.cli(
        getattr(module, class_name),
        args=arguments,
        prog=f"evoloss {name}",
        description=summary.capitalize() + ".",
        **({} if defaults is None else {"default": defaults(arguments)}),
    )
    return int(module.run(config))


def _usage() -> str:
    width = max(map(len, COMMANDS))
    rows = [f"  {name:{width}}  {summary}" for name, (_, _, summary) in COMMANDS.items()]
    return "\n".join(
        ["usage: evoloss COMMAND [--help] ...", "", *rows, "", "evoloss --version prints the version."]
    )
