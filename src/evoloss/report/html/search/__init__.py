"""A search on the page: its numbers, its lineage, and their charts."""

from __future__ import annotations

from evoloss.report.html.search.charts import search_charts
from evoloss.report.html.search.section import is_search, search_section
from evoloss.report.html.search.view import search_view

__all__ = ["is_search", "search_charts", "search_section", "search_view"]
