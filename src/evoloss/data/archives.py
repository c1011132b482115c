"""Data files of known size, read from a folder or straight from a tar archive of any compression."""

from __future__ import annotations

import hashlib
import logging
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evoloss.atomic_files import write_bytes
from evoloss.data.tar_streams import TarStream, open_tar
from evoloss.errors import DataError
from evoloss.regular_files import open_regular
from evoloss.safe_text import one_line

ARCHIVE_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tar.zst")

_SPARE_BYTES = 1 << 28  # for other members of an archive

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Member:
    """A file of a data set, and what is known of its content.

    Attributes:
        name: file name, without folder.
        size: exact size in bytes.
        sha256: its checksum in hexadecimal; None where none is published, then only the size is checked.
    """

    name: str
    size: int
    sha256: str | None = None

    def check(self, content: bytes, origin: str) -> None:
        """Raise :class:`DataError` unless ``content`` has the size and the checksum."""
        if len(content) != self.size:
            raise DataError(
                f"{self.name} in {origin} has {len(content)} bytes, expected {self.size}; "
                "it is damaged or another file, fetch it again"
            )
        if self.sha256 is None:
            return
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise DataError(
                f"{self.name} in {origin} has the right size but sha256 {found}, expected {self.sha256}; "
                "it is damaged, fetch it again"
            )


def read_folder(folder: Path, members: Sequence[Member]) -> dict[str, bytes]:
    """Read and check the members that lie in a folder.

    Raises:
        DataError: if one is missing, unreadable, or not the expected one.
    """
    missing = [member.name for member in members if not (folder / member.name).is_file()]
    if missing:
        raise DataError(
            f"{folder} lacks {', '.join(missing)}; expected {', '.join(m.name for m in members)}. "
            "Unpack the archive again"
        )
    contents = {}
    for member in members:
        try:
            # One byte more than expected is enough to see that a file is too long.
            with open_regular(folder / member.name) as file:
                content = file.read(member.size + 1)
        except OSError as error:
            raise DataError(f"could not read {folder / member.name} ({error.strerror})") from error
        if len(content) > member.size:
            raise DataError(f"{folder / member.name} is longer than {member.size} bytes; fetch it again")
        member.check(content, str(folder))
        contents[member.name] = content
    return contents


def read_archive(archive: Path, folder: str, members: Sequence[Member]) -> dict[str, bytes]:
    """Read and check the members ``folder/name`` of a tar archive, in one pass and without unpacking to disk.

    The archive's own compression and checksum do not matter; other members are skipped.

    Raises:
        DataError: if the archive is damaged or truncated, or a member is missing, double, or another one.
    """
    wanted = {PurePosixPath(folder) / member.name: member for member in members}
    contents: dict[str, bytes] = {}
    try:
        with open_tar(archive, _SPARE_BYTES + 4 * sum(member.size for member in members)) as tar:
            for entry in tar:
                member = wanted.get(PurePosixPath(entry.name))
                if member is None:
                    continue
                contents[member.name] = _read_entry(tar, entry, member, archive, member.name in contents)
                if len(contents) == len(members):
                    break
    except DataError:
        raise
    # The modules of archives raise a dozen kinds of errors for damaged ones.
    except Exception as error:
        reason = one_line(f"{type(error).__name__}: {error}", 200)
        raise DataError(
            f"{archive} is not a readable tar archive ({reason}); it is damaged, "
            "truncated or compressed in a way that Python cannot read. Fetch it again, or unpack it by hand"
        ) from error
    missing = [member.name for member in members if member.name not in contents]
    if missing:
        raise DataError(
            f"{archive} has no {', '.join(f'{folder}/{name}' for name in missing)}; it is another archive"
        )
    return contents


def _read_entry(tar: TarStream, entry: tarfile.TarInfo, member: Member, archive: Path, double: bool) -> bytes:
    if double:
        raise DataError(f"{archive} holds {member.name} twice; fetch it again")
    if not entry.isfile() or entry.issparse():
        raise DataError(f"{member.name} in {archive} is a link or a folder, expected a file; fetch it again")
    if entry.size != member.size:
        raise DataError(
            f"{member.name} in {archive} has {entry.size} bytes, expected {member.size}; fetch it again"
        )
    content = tar.read(entry)
    member.check(content, str(archive))
    return content


def read_archive_cached(
    archive: Path, folder: str, members: Sequence[Member], cache: Path | None
) -> dict[str, bytes]:
    """Read an archive, and keep its members unpacked, since decompression can take ten seconds and more.

    The copies are checked like the originals whenever they are read; damaged ones are written anew. Only
    members with a published checksum are kept: for others nothing would tell a copy of one archive from that
    of another.

    Args:
        archive: the tar archive.
        folder: folder of the members in it, and below ``cache``.
        members: what to read.
        cache: where copies are kept; None keeps none.
    """
    if cache is None or any(member.sha256 is None for member in members):
        return read_archive(archive, folder, members)
    cached = cache / "unpacked" / folder
    if cached.is_dir():
        try:
            return read_folder(cached, members)
        except DataError as error:
            _LOGGER.info("reading %s again: %s", archive, error)
    contents = read_archive(archive, folder, members)
    try:
        for name, content in contents.items():
            write_bytes(cached / name, content)
    except OSError as error:  # a full or read-only disk must not stop the work
        _LOGGER.warning("no unpacked copy of %s is kept in %s: %s", archive, cached, error)
    return contents
