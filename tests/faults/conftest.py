"""What these tests need beyond the servers."""

from __future__ import annotations

import gc
import warnings

import pytest


@pytest.fixture(autouse=True)
def _garbage_of_others() -> None:
    """Collected now: a test of thousands of leases left so much that it stopped the next one for a second."""
    with warnings.catch_warnings():
        # PyMongo leaves the connection to a node that hangs to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
