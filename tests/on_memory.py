"""Repositories on memory, for the rooms whose tests need no server: imported by their ``conftest.py``."""

from __future__ import annotations

import pytest
from faulty import FaultyLocks


@pytest.fixture
def store(memory: FaultyLocks) -> FaultyLocks:
    """What repositories are made on."""
    return memory
