"""The command line: ``evoloss COMMAND ...``; each command is a module with a configuration and ``run``."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Sequence

from evoloss._version import __version__
from evoloss.cli.process import (
    EXIT_BROKEN_PIPE,
    EXIT_ERROR,
    EXIT_INTERRUPTED,
    Interrupts,
    as_program,
    is_output_gone,
)
from evoloss.errors import CallbackError, ConfigError, EvolossError, MissingExtraError, UnknownNameError
from evoloss.safe_text import one_line

# Name, module, class of the configuration, one line. Modules are imported when their command is called, so
# that `evoloss losses` needs neither Fabric nor matplotlib, and nothing is imported to print the usage.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "evolve": (
        "evoloss.cli.evolve",
        "EvolveCommand",
        "evolve a loss for your own regime in minutes, with a verdict",
    ),
    "pretrain": ("evoloss.cli.pretrain", "PretrainCommand", "evolve a loss from synthetic pairs"),
    "compare": ("evoloss.cli.compare", "CompareCommand", "train classifiers with several losses and compare"),
    "ablate": (
        "evoloss.cli.ablate",
        "AblateCommand",
        "pretrain with settings varied and compare the variants",
    ),
    "inspect": ("evoloss.cli.inspect", "InspectCommand", "show what a loss does, with diagnostics"),
    "export": ("evoloss.cli.export", "ExportCommand", "write a loss as a file that needs evoloss no more"),
    "losses": ("evoloss.cli.losses", "LossesCommand", "list the losses that can be named"),
    "report": ("evoloss.cli.report", "ReportCommand", "tables and figures from results.json"),
}

_LONGEST_ERROR = 4000  # characters; a message may name ten files
# What PyTorch says where memory ends; its own class of error is for devices alone.
_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|out of memory", re.I)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names.

    Args:
        argv: arguments. None stands for those of the process, whose streams and interrupts are then taken
            care of too.

    Returns:
        The exit status: 0 done, 2 a mistake in the call or the input, 130 interrupted, 141 nobody reads what
        is printed any more.

    Raises:
        SystemExit: after help, and for arguments that cannot be parsed.
    """
    if argv is not None:
        return _run(list(argv), lambda: None)
    interrupts = Interrupts()
    with as_program(interrupts):
        return _run(sys.argv[1:], interrupts.begin_work)


def _run(arguments: list[str], begin_work: Callable[[], None]) -> int:
    if not arguments:
        print(_usage(), file=sys.stderr)
        return EXIT_ERROR
    if arguments[0] in ("-h", "--help"):
        print(_usage())
        return 0
    if arguments[0] == "--version":
        print(f"evoloss {__version__}")
        return 0
    try:
        if arguments[0].split("=")[0] == "--completion":
            print(_completion(arguments), end="")
            return 0
        return _dispatch(arguments[0], arguments[1:], begin_work)
    except EvolossError as error:
        # Callbacks are the command's own here, which print; to its user there are none.
        printing = error.__cause__ if isinstance(error, CallbackError) else None
        return _fail_of_system(printing) if isinstance(printing, OSError) else _fail(str(error))
    except OSError as error:  # a folder that cannot be written, a full disk: no fault of the program
        return _fail_of_system(error)
    except KeyboardInterrupt:
        print("evoloss: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)) is None:
            raise
        return _fail("the memory of this machine is not enough; ask for fewer or smaller things at once")


def _fail(message: str) -> int:
    print(f"evoloss: error: {one_line(message, _LONGEST_ERROR)}", file=sys.stderr)
    return EXIT_ERROR


def _fail_of_system(error: OSError) -> int:
    if isinstance(error, BrokenPipeError):
        return EXIT_BROKEN_PIPE if is_output_gone() else _fail(str(error))
    place = f": {error.filename}" if error.filename else ""
    return _fail(one_line(f"{error.strerror or error}{place}", 400))


def _dispatch(name: str, arguments: list[str], begin_work: Callable[[], None]) -> int:
    if name not in COMMANDS:
        raise UnknownNameError.among("command", name, COMMANDS)
    from evoloss.cli.arguments import (
        expand_paths,
        parse,
        require_text,
        require_writable,
        require_writable_file,
    )
    from evoloss.cli.help import is_help, page, require_options

    require_text(arguments)
    if is_help(name, arguments):
        print(page(name))
        raise SystemExit(0)
    require_options(name, arguments)
    module_name, class_name, summary = COMMANDS[name]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "evoloss":
            raise
        raise MissingExtraError.of(error.name, "experiments,report", f"evoloss {name}") from error
    # A command may take its defaults from a file that its arguments name.
    defaults = getattr(module, "defaults", None)
    config = parse(
        getattr(module, class_name),
        arguments,
        prog=f"evoloss {name}",
        description=summary.capitalize() + ".",
        **({} if defaults is None else {"default": defaults(arguments)}),
    )
    config = expand_paths(config)
    if getattr(config, "out", None) is not None:
        if getattr(module, "OUT_IS_FILE", False):
            require_writable_file(config.out, "--out")
        else:
            require_writable(config.out)
    if getattr(config, "html", None) is not None:
        require_writable_file(config.html, "--html")
    begin_work()
    return int(module.run(config))


def _completion(arguments: Sequence[str]) -> str:
    from evoloss.cli.help import SHELLS, completion

    shell = " ".join(arguments).removeprefix("--completion").lstrip(" =")
    if not shell:
        raise ConfigError(f"--completion: for which shell? Known: {', '.join(SHELLS)}")
    return completion(shell)


def _usage() -> str:
    from evoloss.cli.help.groups import EXAMPLES

    width = max(map(len, COMMANDS))
    rows = []
    for name, (_, _, summary) in COMMANDS.items():
        rows += [f"  {name:{width}}  {summary}", f"  {'':{width}}  $ {EXAMPLES[name][0][0]}"]
    told = [
        "evoloss COMMAND --help says more of each; evoloss --version prints the version;",
        "evoloss --completion bash (zsh, tcsh) prints a script that completes for that shell.",
    ]
    return "\n".join(["usage: evoloss COMMAND [--help] ...", "", *rows, "", *told])
