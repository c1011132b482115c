"""A saved loss brought to the Hugging Face Hub, with a card that its pages understand."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from evoloss.errors import ArtefactError, ConfigError, OutputError
from evoloss.losses.artefact.format import CARD_FILE, CONFIG_FILE, LOSS_FILE, OWN_FILES, read_artefact
from evoloss.losses.artefact.hub import SCHEME, HubName, OutOfReachError, api_of, endpoint, import_hub, told
from evoloss.regular_files import read_regular
from evoloss.safe_text import quoted

_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_FRONT = re.compile(r"\A---\r?\n.*?^---\r?\n", re.DOTALL | re.MULTILINE)
_MAX_CARD_BYTES = 1 << 20
_TAGS = ("loss-function", "classification", "evolution-strategies")
_LOCAL = '"path/to/this/directory"'


def with_metadata(card: str, license: str) -> str:
    """A card with the metadata of the hub in front, unless it has some.

    Args:
        card: Markdown.
        license: as the hub abbreviates it, such as ``"apache-2.0"``.

    Example:
        >>> print(with_metadata("# Mild", "mit"))
        ---
        license: mit
        library_name: evoloss
        tags:
        - loss-function
        - classification
        - evolution-strategies
        ---
        # Mild
    """
    if _FRONT.match(card):
        return card
    tags = "".join(f"- {tag}\n" for tag in _TAGS)
    return f"---\nlicense: {license}\nlibrary_name: evoloss\ntags:\n{tags}---\n{card}"


def push_directory(
    directory: str | Path,
    repository: str,
    *,
    license: str = "apache-2.0",
    private: bool | None = None,
    revision: str | None = None,
    message: str = "A loss of evoloss",
    token: str | None = None,
) -> str:
    """Upload a saved loss: ``loss.safetensors``, ``config.json`` and the card, in one commit.

    Args:
        directory: of the loss.
        repository: ``user/name`` or ``hf://user/name``; made if it is not there.
        license: of the loss, as the hub abbreviates it; for a card without metadata.
        private: of a repository that is made; None is what the account has set.
        revision: branch; None is the main one.
        message: of the commit.
        token: of the account; None takes the one of ``hf auth login`` or ``HF_TOKEN``.

    Returns:
        The name by which exactly this loss can be had: ``hf://user/name@commit``.

    Raises:
        ConfigError: if the repository or the licence cannot be called so.
        MissingExtraError: if huggingface_hub is not installed.
        UnknownNameError: if there is no such directory.
        ArtefactError: if it holds no usable loss, or the hub refuses or is out of reach.
        OutputError: if the repository has files of these names that evoloss did not write.
    """
    repository = str(repository).removeprefix(SCHEME)
    place = HubName.parse(SCHEME + repository + (f"@{revision}" if revision else ""))
    if place.repository != repository:
        raise ConfigError(f"a repository is named user/name, got {quoted(repository, 200)}")
    if not isinstance(license, str) or not _LICENSE.fullmatch(license):
        raise ConfigError(f"a licence is named as 'apache-2.0' or 'mit' are, got {quoted(license)}")
    directory = Path(directory)
    read_artefact(directory)  # what is uploaded can be read
    files = {name: (directory / name).read_bytes() for name in (LOSS_FILE, CONFIG_FILE)}
    try:
        card = read_regular(directory / CARD_FILE, _MAX_CARD_BYTES).decode()
    except (OSError, UnicodeError) as error:
        raise ArtefactError(f"{directory / CARD_FILE}, the card, cannot be read: {error}") from error
    hub = import_hub(f"uploading to {place}")
    try:
        with told(hub, place):
            return _push(hub, place, files, card, license, private, message, token)
    except OutOfReachError as error:
        raise ArtefactError(f"{place} was not uploaded: {error}") from error


def _push(
    hub: ModuleType,
    place: HubName,
    files: dict[str, bytes],
    card: str,
    license: str,
    private: bool | None,
    message: str,
    token: str | None,
) -> str:
    api = api_of(hub, token)
    api.create_repo(place.repository, private=private, exist_ok=True)
    if place.revision is not None:
        api.create_branch(place.repository, branch=place.revision, exist_ok=True)
    parent, front = _look_at(hub, api, place, token)
    card = card.replace(_LOCAL, f'"hf://{place.repository}"')
    card = with_metadata(front + card if front and not _FRONT.match(card) else card, license)
    operations = [
        hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=content)
        for name, content in {**files, CARD_FILE: card.encode()}.items()
    ]
    made = api.create_commit(
        place.repository,
        operations=operations,
        commit_message=message,
        revision=place.revision,
        parent_commit=parent,
    )
    return f"hf://{place.repository}@{made.oid}"


def _look_at(hub: ModuleType, api: Any, place: HubName, token: str | None) -> tuple[str, str]:
    """The commit that is there, and the metadata of its card; what evoloss did not write is not replaced."""
    info = api.model_info(place.repository, revision=place.revision, files_metadata=True)
    sizes = {file.rfilename: file.size for file in info.siblings or ()}
    front = ""
    for name, is_ours in OWN_FILES.items():
        if name not in sizes:
            continue
        size = sizes[name]
        content = b""
        if isinstance(size, int) and size <= _MAX_CARD_BYTES * 8:
            path = hub.hf_hub_download(
                place.repository, name, revision=info.sha, endpoint=endpoint(), token=token
            )
            content = Path(path).read_bytes()
        if name == CARD_FILE:
            text = content.decode(errors="replace")
            found = _FRONT.match(text)
            front = "" if found is None else found[0]
            if found is not None and not text[found.end() :].strip():
                continue  # of a repository that was made on the hub's pages
        if not _recognised(is_ours, content):
            raise OutputError(
                f"{name} of hf://{place.repository} was not written by evoloss, and would be replaced; "
                "choose another repository"
            )
    return str(info.sha), front


def _recognised(is_ours: Any, content: bytes) -> bool:
    try:
        return bool(is_ours(content))
    except ValueError:
        return False


class Saves(Protocol):
    """A loss that can be saved."""

    def save_pretrained(self, directory: str | Path) -> None:
        """Write the loss to a directory."""


class OnHub:
    """The part of a loss that can be saved which brings it to the hub."""

    def push_to_hub(
        self: Saves,
        repository: str,
        *,
        license: str = "apache-2.0",
        private: bool | None = None,
        revision: str | None = None,
        message: str = "A loss of evoloss",
        token: str | None = None,
    ) -> str:
        """Upload the loss to the Hugging Face Hub, where ``from_pretrained("hf://user/name")`` finds it.

        ``loss.safetensors``, ``config.json`` and the card go up in one commit. The card gets the metadata of
        the hub (``license``, ``library_name``, ``tags``), or keeps those that it has there.

        Args:
            repository: ``user/name`` or ``hf://user/name``; made if it is not there.
            license: of the loss, as the hub abbreviates it.
            private: of a repository that is made; None is what the account has set.
            revision: branch; None is the main one.
            message: of the commit.
            token: of the account; None takes the one of ``hf auth login`` or ``HF_TOKEN``.

        Returns:
            The name by which exactly this loss can be had: ``hf://user/name@commit``.

        Raises:
            ConfigError: if the repository or the licence cannot be called so.
            MissingExtraError: if huggingface_hub is not installed.
            ArtefactError: if the hub refuses or is out of reach.
            OutputError: if the repository has files of these names that evoloss did not write.
        """
        HubName.parse(SCHEME + str(repository).removeprefix(SCHEME))
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return push_directory(
                folder,
                repository,
                license=license,
                private=private,
                revision=revision,
                message=message,
                token=token,
            )
