"""Files that are either there in full or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a reader never sees half of it.

    The content goes to a temporary name in the same folder, is flushed to the disk, and is renamed.
    Missing parent folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text(path: Path, content: str) -> None:
    """Write ``content`` to ``path`` as UTF-8; see :func:`write_bytes`."""
    write_bytes(path, content.encode())


def _umask() -> int:
    # mkstemp makes files that only the owner reads; shared results should follow the user's umask.
    mask = os.umask(0)
    os.umask(mask)
    return mask
