"""Tables and figures from results files."""

from __future__ import annotations
