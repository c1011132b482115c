"""Executors of independent calls: here, in processes, or on a Ray cluster; anything with ``submit``."""

from __future__ import annotations

from evoloss.executors.make import ExecutorConfig, ExecutorName, make_executor
from evoloss.executors.protocol import Executor
from evoloss.executors.threads import require_threads

__all__ = ["Executor", "ExecutorConfig", "ExecutorName", "make_executor", "require_threads"]
