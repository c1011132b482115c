"""Folders: those in which data sets are searched, and those of downloads and unpacked copies."""

from __future__ import annotations

import os
from pathlib import Path

from evoloss.errors import DataError
from evoloss.user_paths import expand_user

DATA_DIR_VARIABLE = "EVOLOSS_DATA_DIR"
CACHE_DIR_VARIABLE = "EVOLOSS_CACHE_DIR"


def data_folder(data_dir: Path | None) -> Path | None:
    """Return the folder of data sets: ``data_dir``, else ``$EVOLOSS_DATA_DIR``, else None.

    Raises:
        DataError: if it is named but is not a folder.
    """
    named = data_dir if data_dir is not None else os.environ.get(DATA_DIR_VARIABLE) or None
    if named is None:
        return None
    folder = expand_user(named)
    if not folder.is_dir():
        origin = "the data folder" if data_dir is not None else f"${DATA_DIR_VARIABLE},"
        raise DataError(f"{origin} {str(folder)!r} is not a folder; name the folder that holds the data sets")
    return folder


def cache_folder() -> Path | None:
    """Return ``$EVOLOSS_CACHE_DIR``, else ``evoloss`` in the user's cache folder.

    None if the variable is ``off``, or there is no home directory to have a cache in.
    """
    named = os.environ.get(CACHE_DIR_VARIABLE, "")
    if named == "off":
        return None
    if named:
        return expand_user(named)
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "evoloss"
    try:
        return Path.home() / ".cache" / "evoloss"
    except RuntimeError:  # a user without a home directory, as in some containers
        return None


def search_folders(data_dir: Path | None) -> list[Path]:
    """Return the folders to look in: the data folder if one is named, else what was downloaded before."""
    folder = data_folder(data_dir)
    if folder is not None:
        return [folder]
    downloads = download_folder(None)
    return [downloads] if downloads is not None and downloads.is_dir() else []


def download_folder(data_dir: Path | None) -> Path | None:
    """Return where downloads go: the data folder if one is named, else ``downloads`` in the cache folder."""
    folder = data_folder(data_dir)
    if folder is not None:
        return folder
    cache = cache_folder()
    return None if cache is None else cache / "downloads"


def not_found(name: str, wanted: str, searched: list[Path], download: str) -> DataError:
    """Build the error for a data set that is nowhere.

    Args:
        name: the data set.
        wanted: the files or folders that would have done.
        searched: the folders that were looked through.
        download: what a download would fetch.
    """
    where = ", ".join(str(folder) for folder in searched) or "no folder (none was named)"
    return DataError(
        f"data set {name!r} is not in {where}; expected {wanted}. Name the folder that holds it "
        f"(data_dir, --data-dir or ${DATA_DIR_VARIABLE}), or allow the download of {download} "
        "(download=True, --download)"
    )
