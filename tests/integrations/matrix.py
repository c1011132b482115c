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


def outcome(report: str) -> dict[str, Any]:
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

    works = [
        what for what, words in CAPABILITIES.items() if shows(words, passed) and not shows(words, failed)
    ]
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


def digest(tests: list[str]) -> str:
    """A hash of test files and of the adapters that they test."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources(tests))).hexdigest()[:16]


def is_done(tool: str, end: str) -> bool:
    """True if this run has been done with the same requirements, tests and adapters."""
    path = RESULTS / f"{tool}-{end}.json"
    if not path.is_file():
        return False
    found = json.loads(path.read_text(encoding="utf-8"))
    environment = ENVIRONMENTS[tool]
    return bool(
        found["digest"] == digest(environment["tests"])
        and found["requirements"] == [*environment[end], *environment.get("needs", [])]
    )


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


def install(python: Path, requirements: list[str]) -> str:
    """Install; the reason if that did not work, else nothing."""
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = run([*command, "-c", str(ROOT / "constraints.txt"), *requirements], cwd=ROOT)
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return "" if done.returncode == 0 else (errors or ["pip failed"])[-1].removeprefix("ERROR: ")


def versions(python: Path, packages: list[str]) -> dict[str, str]:
    """The versions of packages in an environment."""
    code = "import json, sys; from importlib.metadata import version as v"
    code += "; print(json.dumps({name: v(name) for name in sys.argv[1:]}))"
    found: dict[str, str] = json.loads(run([str(python), "-c", code, *packages]).stdout)
    return found


def try_tool(tool: str, end: str, folder: Path, base: Path) -> dict[str, Any]:
    """Install a tool and run its tests; what is written to its file."""
    environment, began = ENVIRONMENTS[tool], time.monotonic()
    requirements = [*environment[end], *environment.get("needs", [])]
    python = python_of(folder / f"{tool}-{end}", base)
    result: dict[str, Any] = {
        "schema": 1, "tool": tool, "end": end, "requirements": requirements,
        "digest": digest(environment["tests"]), "python": platform.python_version(),
    }  # fmt: skip
    reason = install(python, requirements)
    if reason:
        return result | {"reason": reason}
    found = versions(python, [environment["package"], "torch", "numpy"])
    section = environment.get("section", environment["title"])
    report = folder / f"{tool}-{end}.xml"
    report.unlink(missing_ok=True)
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", ""]
    command.append(f"--junitxml={report}")
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    # The part of the page about this tool alone: another may be here because this one needs it.
    tests = [*environment["tests"], f"{PAGE_TEST}::test_a_section[{section}]"]
    done = run([*command, *tests], cwd=ROOT, env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"})
    (folder / f"{tool}-{end}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    if not report.is_file():
        return result | {"reason": f"pytest: {(done.stderr or done.stdout).strip().splitlines()[-1]}"}
    return result | {
        "version": found[environment["package"]],
        "torch": found["torch"],
        "numpy": found["numpy"],
        "glue": lines_of_glue(section),
        **outcome(report.read_text(encoding="utf-8")),
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
