"""Downloads through pooch, always against a published checksum."""

from __future__ import annotations

from pathlib import Path

from evoloss.data.folders import CACHE_DIR_VARIABLE, download_folder
from evoloss.errors import DataError, MissingExtraError


def fetch(url: str, checksum: str, data_dir: Path | None, subfolder: str = "") -> Path:
    """Download one file into the data folder (or the cache, if none is named) and check it.

    A file that is there already with the right checksum is not fetched again.

    Args:
        url: address of the file; its last part is the name on disk.
        checksum: ``"md5:..."`` or ``"sha256:..."``.
        data_dir: folder of data sets, as in :func:`evoloss.data.load_dataset`.
        subfolder: folder below it that the file goes to.

    Returns:
        Path of the file.

    Raises:
        MissingExtraError: if pooch is not installed.
        DataError: if the download fails, the checksum is another one, or there is no folder to write to.
    """
    folder = download_folder(data_dir)
    if folder is None:
        raise DataError(f"no folder to download to: name data_dir ({CACHE_DIR_VARIABLE} is off)")
    try:
        import pooch
    except ImportError as error:
        raise MissingExtraError.of("pooch", "experiments", "downloading data sets") from error
    target = folder / subfolder
    try:
        found = pooch.retrieve(url, known_hash=checksum, fname=url.rsplit("/", 1)[-1], path=target)
    # pooch raises ValueError for a wrong checksum; requests' errors are OSErrors.
    except (OSError, ValueError) as error:
        raise DataError(
            f"could not download {url} to {target}: {error}. Check the connection and the folder, or fetch "
            "the file by hand and put it there"
        ) from error
    return Path(found)
