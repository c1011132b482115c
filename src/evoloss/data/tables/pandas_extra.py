"""The import of pandas, which reads the files of tables."""

from __future__ import annotations

from types import ModuleType

from evoloss.errors import MissingExtraError


def import_pandas(purpose: str) -> ModuleType:
    """Return pandas.

    Args:
        purpose: what needs it, such as ``"reading a .csv file"``.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError.of("pandas", "tables", purpose) from error
    module: ModuleType = pandas
    return module
