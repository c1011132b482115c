"""Result files as JSON: how they are laid out, and what is checked before their content is looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evoloss.errors import ResultsError
from evoloss.regular_files import read_regular_text
from evoloss.safe_text import quoted
from evoloss.strict_json import parse_json

MAX_DOCUMENT_BYTES = 1 << 29  # half a gigabyte: a million trainings


def read_document(path: Path, command: str) -> str:
    """The text of a file that ``command`` writes.

    Raises:
        ResultsError: if it is missing or cannot be read.
    """
    try:
        return read_regular_text(path, MAX_DOCUMENT_BYTES)
    except FileNotFoundError as error:
        raise ResultsError(f"{path} does not exist; `{command}` writes one") from error
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeError as error:
        raise ResultsError(f"{path} is not UTF-8 text: {error}") from error


def parse_document(text: str, where: str, *, kind: str, schema: int) -> dict[str, Any]:
    """The entries of a document whose ``schema`` is the one that is read.

    Args:
        text: JSON.
        where: where it comes from, for the error.
        kind: what the file should be, such as ``"a results file"``.
        schema: version of the layout.

    Raises:
        ResultsError: if it is no JSON, no such document, or of another version.
    """
    try:
        content = parse_json(text)
    except ValueError as error:
        raise ResultsError(f"{where} is not valid JSON: {error}") from error
    if not isinstance(content, dict) or "schema" not in content:
        raise ResultsError(f"{where} is not {kind}: it has no entry 'schema'")
    if content["schema"] != schema or isinstance(content["schema"], bool):
        raise ResultsError(
            f"{where} has schema {quoted(content['schema'])}, this version of evoloss reads {schema}; "
            "a newer evoloss may have written it"
        )
    return content


def lay_out(head: Mapping[str, Any], tables: Mapping[str, Sequence[Mapping[str, Any]]], what: str) -> str:
    """JSON with one line an entry and one line a record: short, and a pleasure to compare.

    Raises:
        ResultsError: if ``what`` holds something that is no JSON value.
    """
    try:
        lines = [f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in head.items()]
        for key, rows in tables.items():
            body = ",\n".join("  " + json.dumps(row, allow_nan=False) for row in rows)
            lines.append(f"{json.dumps(key)}: [\n{body}\n ]" if rows else f"{json.dumps(key)}: []")
    except (TypeError, ValueError) as error:
        raise ResultsError(f"{what} cannot be written as JSON: {error}") from error
    return "{\n " + ",\n ".join(lines) + "\n}\n"
