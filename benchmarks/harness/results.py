"""Result files: what was measured, by what command, on what machine."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness.schema import SCHEMA, check_results
from evoloss._version import __version__
from evoloss.atomic_files import write_text
from evoloss.errors import ResultsError


def write_results(
    path: Path,
    benchmark: str,
    command: str,
    rows: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]] = (),
    **more: Any,
) -> None:
    """Check a result of the speed study against the schema and write it.

    Args:
        path: the JSON file.
        benchmark: its name.
        command: what reruns it.
        rows: from :func:`benchmarks.harness.timing.rows_of`, possibly with further keys.
        targets: from :func:`benchmarks.harness.timing.target`.
        **more: further facts, JSON values.

    Raises:
        ValueError: if the result does not follow the schema.
    """
    content = {
        "schema": SCHEMA,
        "benchmark": benchmark,
        "command": command,
        "facts": machine_facts(),
        "rows": list(rows),
        "targets": list(targets),
        **more,
    }
    check_results(content)
    write_text(path, _json(content))


def read_record(path: Path) -> dict[str, Any]:
    """The entries of a result file that grows by parts; none if there is no file yet.

    Raises:
        ResultsError: if the file is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(f"{path} cannot be read ({error}); name another file, or move it away") from error
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise ResultsError(f"{path} must hold a JSON object, got a {kind}; name another file")
    return content


def update_record(path: Path, name: str, entry: Mapping[str, Any]) -> None:
    """Write one entry of a result file that grows by parts; the others stay."""
    write_text(path, _json({**read_record(path), name: entry}))


def machine_facts() -> dict[str, Any]:
    """Versions, processor, threads, and how busy the machine was."""
    return {
        "evoloss": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
    }


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
