"""Saved losses on the Hugging Face Hub, ``hf://user/name``: two files are read, and nothing is run."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from evoloss.errors import ArtefactError, ConfigError, EvolossError, MissingExtraError
from evoloss.losses.artefact.format import CONFIG_FILE, LOSS_FILE, MAX_CONFIG_BYTES, MAX_LOSS_BYTES
from evoloss.safe_text import one_line, quoted

SCHEME = "hf://"
LIMITS = {CONFIG_FILE: MAX_CONFIG_BYTES, LOSS_FILE: MAX_LOSS_BYTES}
"""The files that are read, and their largest sizes in bytes."""

_REPOSITORY = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9_][\w./+-]*", re.ASCII)
_ADDRESS = re.compile(r"hf:/{0,2}|https?://[\w.:-]+/", re.ASCII)
_LONGEST = 200  # characters of a text that may be meant for a name
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SECONDS = 10.0  # until a hub that does not answer counts as out of reach
_ATTEMPTS = 3  # where the branch moves while it is read
_FEW = 8  # files of a repository that an error names


@dataclass(frozen=True)
class HubName:
    """A repository on the hub, and which of its revisions.

    Attributes:
        repository: ``user/name``.
        revision: a branch, a tag or the full hash of a commit; None is the main branch.
    """

    repository: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> HubName:
        """Take a name apart; nobody is asked whether it is there.

        Raises:
            ConfigError: if it is not of the form ``hf://user/name`` or ``hf://user/name@revision``.

        Example:
            >>> HubName.parse("hf://ada/mild@v1")
            HubName(repository='ada/mild', revision='v1')
        """
        repository, at, revision = text.removeprefix(SCHEME).partition("@")
        good = text.startswith(SCHEME) and _REPOSITORY.fullmatch(repository) and ".." not in text
        if not good or (at and not _REVISION.fullmatch(revision)):
            raise ConfigError(
                f"{quoted(text, 200)} names no loss on the hub; write hf://USER/NAME, or "
                "hf://USER/NAME@REVISION with a branch, a tag or the full hash of a commit"
            )
        return cls(repository, revision or None)

    def __str__(self) -> str:
        return SCHEME + self.repository + (f"@{self.revision}" if self.revision else "")


def is_on_hub(name: object) -> bool:
    """Tell whether a name is one of a loss on the hub.

    Example:
        >>> is_on_hub("hf://ada/mild"), is_on_hub("mild")
        (True, False)
    """
    return isinstance(name, str) and name.startswith(SCHEME)


def hub_hint(name: str) -> str:
    """The name on the hub that a text may mean, as a sentence with a space before it; empty for others.

    Example:
        >>> hub_hint("https://huggingface.co/ada/mild")
        " A loss on the Hugging Face Hub is named 'hf://ada/mild'."
        >>> hub_hint("./mild")
        ''
    """
    path = _ADDRESS.sub("", name[:_LONGEST])
    if not _REPOSITORY.fullmatch(path):
        return ""
    return f" A loss on the Hugging Face Hub is named '{SCHEME}{path}'."


def fetch_loss(name: str) -> Path:
    """The folder of a loss on the hub, in the cache of huggingface_hub.

    Sizes are asked for before anything is fetched, and only ``config.json`` and ``loss.safetensors`` are. A
    revision that is the full hash of a commit is taken from the cache without asking, others are where the
    hub is out of reach (``HF_HUB_OFFLINE=1`` included).

    Args:
        name: ``hf://user/name`` or ``hf://user/name@revision``.

    Raises:
        ConfigError: if the name has another form.
        MissingExtraError: if huggingface_hub is not installed.
        ArtefactError: if there is no such repository or revision, it holds no loss or one that is too large,
            or the hub is out of reach and the cache does not have it.
    """
    place = HubName.parse(name)
    hub = import_hub(f"the loss {name}")
    if place.revision is not None and _COMMIT.fullmatch(place.revision):
        cached = _find_cached(hub, place)
        if cached is not None:
            return cached
    try:
        with told(hub, place):
            return _fetch(hub, place)
    except OutOfReachError as error:
        cached = _find_cached(hub, place)
        if cached is not None:
            return cached
        raise ArtefactError(
            f"{place} cannot be had: {error}, and it is not in the cache of huggingface_hub; try again with "
            "a network, or copy the directory of the loss here and name that"
        ) from error


def _fetch(hub: ModuleType, place: HubName) -> Path:
    for _ in range(_ATTEMPTS):
        commit = _check(hub, place)
        # By the name that was given, so that the cache knows later which commit that was.
        config = Path(_download(hub, place.repository, CONFIG_FILE, place.revision))
        if config.parent.name == commit:
            return Path(_download(hub, place.repository, LOSS_FILE, commit)).parent
    raise ArtefactError(f"{place} changes while it is read; name a commit: hf://{place.repository}@HASH")


def _check(hub: ModuleType, place: HubName) -> str:
    """The commit of a revision that holds a loss of a size that is read."""
    info = api_of(hub).model_info(
        place.repository, revision=place.revision, files_metadata=True, timeout=_SECONDS
    )
    sizes = {file.rfilename: file.size for file in info.siblings or ()}
    missing = [file for file in LIMITS if file not in sizes]
    if missing:
        names = [one_line(file, 60) for file in sizes]
        more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
        raise ArtefactError(
            f"{place} holds no loss of evoloss: it has no {' and no '.join(missing)}, but "
            f"{', '.join(names[:_FEW]) or 'no files'}{more}"
        )
    for file, limit in LIMITS.items():
        if not isinstance(sizes[file], int) or sizes[file] > limit:
            raise ArtefactError(
                f"{file} of {place} has {sizes[file]} bytes, and that of a saved loss at most {limit}; it is "
                "none, and was not fetched"
            )
    return str(info.sha)


def _download(hub: ModuleType, repository: str, file: str, revision: str | None, **options: Any) -> str:
    path: str = hub.hf_hub_download(
        repository, file, revision=revision, endpoint=endpoint(), library_name="evoloss", **options
    )
    return path


def _find_cached(hub: ModuleType, place: HubName) -> Path | None:
    """The folder in the cache, where all of it is there."""
    try:
        folders = {
            Path(_download(hub, place.repository, file, place.revision, local_files_only=True)).parent
            for file in LIMITS
        }
    except hub.utils.EntryNotFoundError:
        return None
    return folders.pop() if len(folders) == 1 else None


_LOG_IN = "log in with `hf auth login`, or give a token that may do this"


def _refusal(place: HubName, error: Exception) -> str:
    """The refusal of a hub in words."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"the hub refuses {place} ({status}): {_LOG_IN}"
    if status in (409, 412):
        return f"{place} has changed since it was looked at; try again"
    return f"the hub refuses {place}: {one_line(' '.join(str(error).split()), 300)}"


class OutOfReachError(Exception):
    """The hub does not answer, for a reason that the message says."""


@contextmanager
def told(hub: ModuleType, place: HubName) -> Iterator[None]:
    """Say what went wrong with a call of the hub in words that name the repository.

    Raises:
        ArtefactError: if the hub refuses.
        OutOfReachError: if it does not answer.
    """
    known = hub.utils
    cases: tuple[tuple[type[Exception], Callable[[Exception], str]], ...] = (
        (known.GatedRepoError, lambda _: f"{place} is gated: ask for access on its page, and log in"),
        (
            known.RepositoryNotFoundError,
            lambda _: (
                f"there is no repository {place.repository} on the hub, or it is private; check the "
                "name, or log in with `hf auth login`"
            ),
        ),
        (
            known.RevisionNotFoundError,
            lambda _: (
                f"{place.repository} has no revision {quoted(place.revision)}; its page lists branches, "
                "tags and commits"
            ),
        ),
        (known.HfHubHTTPError, lambda error: _refusal(place, error)),
        (known.LocalTokenNotFoundError, lambda _: f"{place} needs an account: {_LOG_IN}"),
    )
    try:
        yield
    except EvolossError:
        raise
    except known.LocalEntryNotFoundError as error:  # so it is called where the connection broke
        raise OutOfReachError("the hub is out of reach") from error
    except known.EntryNotFoundError as error:
        raise OutOfReachError(f"the hub does not have it any more ({one_line(error, 200)})") from error
    except Exception as error:
        for kind, text in cases:
            if isinstance(error, kind):
                raise ArtefactError(text(error)) from error
        if isinstance(error, known.OfflineModeIsEnabled):
            raise OutOfReachError("HF_HUB_OFFLINE is set") from error
        reason = one_line(error, 200) or type(error).__name__
        raise OutOfReachError(f"the hub is out of reach ({reason})") from error


def import_hub(what: str) -> ModuleType:
    """The library of the hub.

    Args:
        what: needs it, for the message.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        import huggingface_hub
        import huggingface_hub.utils
    except ImportError as error:
        raise MissingExtraError.of("huggingface_hub", "hub", what) from error
    return huggingface_hub


def endpoint() -> str | None:
    """The address of the hub that ``HF_ENDPOINT`` names now; None for the library's own."""
    return os.environ.get("HF_ENDPOINT") or None


def api_of(hub: ModuleType, token: str | None = None) -> Any:
    """A client of the hub."""
    return hub.HfApi(endpoint=endpoint(), token=token, library_name="evoloss")
