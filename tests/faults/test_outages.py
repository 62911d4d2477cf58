"""How long a wait takes whose server is away, or says nothing; and what it says of that."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from secured import running
from support import connected

from mongolock_async import LockBackendError, LockRepository, LockTimeoutError
from mongolock_async.testing import Mongod

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]

# Beyond the second of grace: this machine may be busy.
GENEROUS = 1.5


@pytest.fixture(scope="module")
def server() -> Iterator[Mongod]:
    """A server that may be stopped."""
    with running(Mongod()) as server:
        yield server


@pytest.fixture
async def collection(server: Mongod, driver: str) -> AsyncIterator[Any]:
    async with connected(driver, server.uri) as client:
        yield client[f"test_{uuid.uuid4().hex}"].locks


@contextmanager
def silent(server: Mongod) -> Iterator[None]:
    """It is stopped during the block."""
    server.node.stop()
    try:
        yield
    finally:
        server.node.resume()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds + 1 + GENEROUS


@pytest.mark.parametrize("timeout", [0, 0.05, 2])
async def test_a_wait_for_a_silent_server_ends_a_second_after_its_timeout(
    server: Mongod, locks: LockRepository, others: LockRepository, timeout: float
) -> None:
    await locks.create("cron")
    with silent(server):
        for repository in (locks, others):  # the second one has to make its index first
            with within(timeout), pytest.raises(LockBackendError, match="no answer in time"):
                await repository.acquire("cron", timeout=timeout)
    assert (await locks.acquire("cron", timeout=10)).held


async def test_one_whose_server_falls_silent_while_it_waits_leaves_a_second_after_its_timeout(
    server: Mongod, locks: LockRepository, others: LockRepository
) -> None:
    await locks.acquire("cron", "holder")
    with within(3):
        waiter = asyncio.create_task(others.acquire("cron", timeout=3))
        await asyncio.sleep(1)
        with silent(server), pytest.raises(LockTimeoutError, match="held by 'holder'"):
            await waiter


async def test_a_wait_for_a_server_that_is_away_ends_a_second_after_its_timeout(driver: str) -> None:
    async with (
        connected(driver, "mongodb://127.0.0.1:1/") as client,
        LockRepository(client.a.locks, command_timeout=3) as locks,
    ):
        for timeout in (0, 0.5):
            with within(timeout), pytest.raises(LockBackendError):
                await locks.acquire("cron", timeout=timeout)
