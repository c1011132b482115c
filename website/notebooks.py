"""The notebooks of ``examples/``, run from a folder of their own, with their outputs.

    python -m website.notebooks    # runs them and writes their outputs

Outputs hold no time, no path and no version, so that two runs on one machine write the same file. Warnings of
other libraries are left out.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import command

EXAMPLES = Path(__file__).parents[1] / "examples"
LONGEST = 300
"""Seconds for a cell; on a quiet machine a whole notebook takes less than 60."""
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@dataclass(frozen=True, kw_only=True)
class Notebooks:
    """Run the notebooks."""

    folder: Path = EXAMPLES
    """Where they are."""


def run_notebook(path: Path, folder: Path) -> Any:
    """Run the cells of a notebook in order, in a fresh kernel whose working directory is ``folder``.

    Returns:
        The notebook with its outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell raises.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=LONGEST,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    notebook.metadata = dict(_METADATA)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def main(options: Notebooks) -> None:
    """Run every notebook and write it with its outputs."""
    import nbformat

    for path in sorted(options.folder.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            notebook = run_notebook(path, Path(folder))
        nbformat.write(notebook, path)
        print(f"written: {path.name}")


if __name__ == "__main__":
    command.run(Notebooks, main)
