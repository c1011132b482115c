"""The words between a library and the builder: what is wanted, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from evoloss.errors import ConfigError, MissingExtraError, UnknownNameError, did_you_mean
from evoloss.safe_text import one_line, quoted


@dataclass(frozen=True)
class Request:
    """A network that is wanted.

    Attributes:
        spec: the whole text, for errors.
        name: the part after the library.
        channels: of the images.
        n_classes: number of classes.
        pretrained: whether the library's weights are taken.
        download: whether files may be fetched.
    """

    spec: str
    name: str
    channels: int
    n_classes: int
    pretrained: bool
    download: bool

    def missing(self, package: str, install: str) -> MissingExtraError:
        """Return the error for a library that is not installed."""
        return MissingExtraError(
            f"model {quoted(self.spec, 200)} needs {package}, which is not installed: {install}"
        )

    def unknown(self, known: Sequence[str], where: str) -> UnknownNameError:
        """Return the error for a name that the library does not know, of which it may know thousands."""
        return UnknownNameError(
            f"model {quoted(self.spec, 200)}: {where} has no classifier of that name."
            f"{did_you_mean(self.name, known)} It has {len(known):,}"
        )

    def failed(self, doing: str, error: Exception) -> ConfigError:
        """Return the error for a library that raised something."""
        return ConfigError(
            f"model {quoted(self.spec, 200)}: {doing} failed with {type(error).__name__}: "
            f"{one_line(error, 300)}"
        )

    def not_here(self, what: str, reason: object) -> ConfigError:
        """Return the error for files that would have to be fetched."""
        return ConfigError(
            f"model {quoted(self.spec, 200)}: {what} cannot be had here ({one_line(reason, 200)}); "
            + (
                "are the name and the connection right?"
                if self.download
                else "nothing is fetched without --download (download=True)"
            )
        )


@dataclass(frozen=True)
class Found:
    """A network that was built.

    Attributes:
        network: from images to logits.
        head: the modules after the body.
        channels: of the images that it takes; None if it was built for those of the data.
        size: height and width that it was made for, where that is known.
    """

    network: nn.Module
    head: Sequence[nn.Module]
    channels: int | None
    size: tuple[int, int] | None
