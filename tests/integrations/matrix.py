"""Run the tests of each tool in an environment of its own: ``python -m tests.integrations.matrix``.

What came of it is written to ``results/TOOL-END.json`` beside this file, END being ``newest`` or ``oldest``.
A run that has been done with the same tests and adapters is not done again, so that what was stopped goes on
where it was. The environments see one that has PyTorch and evoloss, and bring the tool alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from tests.integrations.glue import lines_of_glue

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results"
ENVIRONMENTS: dict[str, dict[str, Any]] = tomllib.loads(
    (HERE / "environments.toml").read_text(encoding="utf-8")
)
ENDS = ("newest", "oldest")
PAGE_TEST = "tests/integrations/test_frameworks_page.py"

# What works, by the names of the tests that show it: all of these have to pass, and there has to be one.
CAPABILITIES = {
    "equal to a plain loop": ("plain_loop",),
    "equal to its own objective": ("is_softprob", "is_binary_of"),
    "checks of scikit-learn": ("passes_all_checks",),
    "equal to one batch": ("all_batches_as_one",),
    "equal to PyTorch": ("those_of_torch", "test_checks"),
    "finds wrong labels": ("finds_labels",),
    "state survives": ("resumes", "kept_in_checkpoints", "saved_and_loaded", "goes_on", "over_a_course"),
    "class weights": ("class_weights",),
    "soft labels": ("soft", "mixup", "probabilities"),
    "several processes": ("processes",),
}

# The same for tools that are not trainers.
BESIDE_TRAINERS = {
    "code of its page": ("the_blocks_run", "test_optuna", "test_hydra", "test_jsonargparse", "lightning_cli"),
    "read back": ("read_back",),
    "goes on after a stop": ("goes_on",),
    "own settings": ("of_mlflow_hold", "mode_holds"),
    "fetched, uploaded": ("comes_back",),
    "pinned revisions": ("revisions_are_pinned",),
    "without a network": ("where_there_is_no_hub",),
    "size limits": ("too_large",),
    "equal to PyTorch": ("test_onnx",),
}


def capabilities(tool: str) -> dict[str, tuple[str, ...]]:
    """What a tool may be seen to do, and words in names of tests that show it."""
    return BESIDE_TRAINERS if "page" in ENVIRONMENTS[tool] else CAPABILITIES


def glue_of(tool: str) -> int | None:
    """Lines of glue of a tool: none where an option is all it takes, and None where nothing says it."""
    environment = ENVIRONMENTS[tool]
    if "page" in environment:
        return 0 if "option" in environment else None
    return lines_of_glue(environment.get("section", environment["title"]))


def outcome(report: str, shown_by: dict[str, tuple[str, ...]] = CAPABILITIES) -> dict[str, Any]:
    """Counts, failures and capabilities from a report of pytest in JUnit's XML.

    A capability is there if at least one test with one of its words in its name passed, and none failed. Of
    its parameters one has to be the word: softmax is not soft, and a message may hold any word.
    """
    passed, failed, skipped = set(), set(), set()
    for case in ElementTree.fromstring(report).iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        tags = {child.tag for child in case}
        (failed if tags & {"failure", "error"} else skipped if "skipped" in tags else passed).add(name)

    def has(name: str, word: str) -> bool:
        function, _, parameters = name.rstrip("]").partition("[")
        whole = re.search(rf"(?<![^\W_]){word}(?![^\W_])", function) is not None
        return whole or word in parameters.split("-")

    def shows(words: tuple[str, ...], names: set[str]) -> bool:
        return any(has(name, word) for word in words for name in names)

    works = [what for what, words in shown_by.items() if shows(words, passed) and not shows(words, failed)]
    return {
        "passed": len(passed),
        "failed": sorted(failed),
        "skipped": len(skipped),
        "works": works,
    }


def sources(tests: list[str]) -> list[Path]:
    """Test files, what they name of their own folder and of the adapters, and what that names in turn."""
    left = {ROOT / name.partition("::")[0] for name in tests}
    found: set[Path] = set()
    while left:
        path = left.pop()
        found.add(path)
        for name in set(
            re.findall(r"\b(?:evoloss|tests)\.integrations(?:\.| import )\w+", path.read_text("utf-8"))
        ):
            folder, _, module = re.sub(r"\.integrations(\.| import )", "/integrations/", name).rpartition("/")
            place = (ROOT / "src" if folder.startswith("evoloss") else ROOT) / folder
            left |= {
                file for file in (place / f"{module}.py", *(place / module).glob("*.py")) if file.is_file()
            }
        left -= found
    return sorted(found)


def files_of(tool: str) -> list[Path]:
    """The test files of a tool and the adapters that they test."""
    found = sources(ENVIRONMENTS[tool]["tests"])
    for name in ENVIRONMENTS[tool].get("sources", []):
        path = ROOT / name
        found += [path] if path.is_file() else sorted(path.glob("*.py"))
    return found


def digest(tool: str) -> str:
    """A hash of the files of a tool."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in files_of(tool))).hexdigest()[:16]


def requirements_of(tool: str, end: str) -> list[str]:
    """What is installed for a tool."""
    environment = ENVIRONMENTS[tool]
    return [*environment[end], *environment.get("needs", [])]


def page_tests(tool: str) -> list[str]:
    """The part of the page about this tool alone: another may be here because this one needs it."""
    environment = ENVIRONMENTS[tool]
    section = environment.get("section", environment["title"])
    return [] if "page" in environment else [f"{PAGE_TEST}::test_a_section[{section}]"]


def is_done(tool: str, end: str) -> bool:
    """True if this run has been done with the same requirements, tests and adapters, and could be done."""
    path = RESULTS / f"{tool}-{end}.json"
    if not path.is_file():
        return False
    found = json.loads(path.read_text(encoding="utf-8"))
    same = found["digest"] == digest(tool) and found["requirements"] == requirements_of(tool, end)
    return bool(same and "reason" not in found)


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """A command, with what it says."""
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def python_of(folder: Path, base: Path | None) -> Path:
    """The interpreter of an environment, which is made if it is not there; with a base it sees that."""
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        if base is not None:
            where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
            below = run([str(base), "-c", where]).stdout.strip()
            own = run([str(python), "-c", where]).stdout.strip()
            (Path(own) / "base.pth").write_text(below + "\n", encoding="utf-8")
    return python


def pins(requirements: list[str]) -> str:
    """Constraints.txt without what requirements give a version to."""
    given = {re.split(r"[\[<>=!~]", one)[0] for one in requirements if re.search(r"[<>=!~]", one)}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if line.partition("==")[0] not in given)


def install(python: Path, requirements: list[str]) -> str:
    """Install; the reason if that did not work, else nothing."""
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text(pins(requirements), encoding="utf-8")
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = run([*command, "-c", str(constraints), *requirements], cwd=ROOT)
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return "" if done.returncode == 0 else (errors or ["pip failed"])[0].removeprefix("ERROR: ")


def versions(python: Path, packages: list[str]) -> dict[str, str]:
    """The versions of packages in an environment."""
    code = "import json, sys; from importlib.metadata import version as v"
    code += "; print(json.dumps({name: v(name) for name in sys.argv[1:]}))"
    found: dict[str, str] = json.loads(run([str(python), "-c", code, *packages]).stdout)
    return found


def try_tool(tool: str, end: str, folder: Path, base: Path) -> dict[str, Any]:
    """Install a tool and run its tests; what is written to its file."""
    environment, began = ENVIRONMENTS[tool], time.monotonic()
    requirements = requirements_of(tool, end)
    python = python_of(folder / f"{tool}-{end}", base)
    result: dict[str, Any] = {
        "schema": 1, "tool": tool, "end": end, "requirements": requirements,
        "digest": digest(tool), "python": platform.python_version(),
    }  # fmt: skip
    reason = install(python, requirements)
    if reason:
        return result | {"reason": reason}
    found = versions(python, [environment["package"], "torch", "numpy"])
    report = folder / f"{tool}-{end}.xml"
    report.unlink(missing_ok=True)
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", ""]
    command.append(f"--junitxml={report}")
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = run(
        [*command, *environment["tests"], *page_tests(tool)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )
    (folder / f"{tool}-{end}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    if not report.is_file():
        return result | {"reason": f"pytest: {(done.stderr or done.stdout).strip().splitlines()[-1]}"}
    return result | {
        "version": found[environment["package"]],
        "torch": found["torch"],
        "numpy": found["numpy"],
        "glue": glue_of(tool),
        **outcome(report.read_text(encoding="utf-8"), capabilities(tool)),
        "seconds": round(time.monotonic() - began),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", nargs="+", choices=ENVIRONMENTS, default=list(ENVIRONMENTS))
    parser.add_argument("--ends", nargs="+", choices=ENDS, default=list(ENDS))
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".venv-integrations", help="of the environments"
    )
    parser.add_argument("--again", action="store_true", help="run what has been done too")
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    pairs = [(tool, end) for tool in given.tools for end in given.ends if end in ENVIRONMENTS[tool]]
    left = [pair for pair in pairs if given.again or not is_done(*pair)]
    if left:
        base = python_of(given.folder / "base", None)
        reason = install(base, ["-e", ".", "pytest"])
        if reason:
            raise SystemExit(reason)
    failed = []
    for tool, end in left:
        result = try_tool(tool, end, given.folder, base)
        text = json.dumps(result, indent=2) + "\n"
        (RESULTS / f"{tool}-{end}.json").write_text(text, encoding="utf-8")
        said = result.get("reason") or f"{result['version']}: {result['passed']} passed"
        failed += [f"{tool}-{end}"] if result.get("reason") or result["failed"] else []
        print(f"{tool} {end}: {said}", *result.get("failed", []), sep="\n  ", flush=True)
    print(f"{len(pairs) - len(left)} had been done; {len(left)} run, not all is well in: {failed or 'none'}")
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
