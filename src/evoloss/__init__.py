"""Learned classification losses: evolved without data, used in place of cross-entropy."""

from evoloss._version import __version__

__all__ = ["__version__"]
