"""No server here: repositories are made on memory, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from on_memory import store

from mongolock_async import LockRepository
from mongolock_async._cli import program
from mongolock_async._cli.parser import parsed

__all__ = ["store"]

Mongolock = Callable[..., Awaitable[int]]


@pytest.fixture
async def mongolock(others: LockRepository) -> Mongolock:
    """The program, in this process, on the test's locks: its exit code."""

    async def mongolock(*words: str) -> int:
        options = parsed(program(), words)
        code: int = await options.run(others, options)
        return code

    return mongolock
