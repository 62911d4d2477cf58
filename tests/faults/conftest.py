"""What these tests need beyond the servers."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(autouse=True)
def _garbage_of_others() -> None:
    """Collected now: a test of thousands of leases left so much that it stopped the next one for a second."""
    gc.collect()
