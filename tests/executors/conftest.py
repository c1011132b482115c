from __future__ import annotations

import gc
import signal
import warnings
from collections.abc import Iterator

import pytest

from evoloss.executors.ray import RayExecutor


def own_handler(*_: object) -> None:
    """What a program of its own does on SIGTERM."""


@pytest.fixture(scope="package")
def local_ray() -> Iterator[None]:
    """A Ray of two cores, started as ours are, that the tests of this folder share; it takes seconds."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "")  # what Ray puts there goes with it
        patch.delenv("RAY_AUTH_MODE")
        before = signal.signal(signal.SIGTERM, own_handler)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Ray's own start, about its own code
            started = RayExecutor(2)
        with started:
            yield
        assert not ray.is_initialized()
        signal.signal(signal.SIGTERM, before)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # Ray ends its servers without waiting for them
            gc.collect()
