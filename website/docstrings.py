"""An extension of griffe for the reference: docstrings with the roles of Sphinx become Markdown."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import griffe

ROOT = Path(__file__).parents[1]
if str(ROOT) not in sys.path:  # mkdocstrings reads this file by its path
    sys.path.insert(0, str(ROOT))

from website.rst import to_markdown  # noqa: E402


class Docstrings(griffe.Extension):
    """Rewrite each docstring as it is read."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring is not None:
            text = to_markdown(obj.docstring.value)
            # The name under which griffe knows doctests; it takes "Example:" for prose.
            obj.docstring.value = re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.MULTILINE)
