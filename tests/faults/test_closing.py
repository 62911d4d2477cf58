"""The end of a repository, and of a block, whose server is dead; and that of one who has waited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support import connected

from mongolock_async import LeaseLostError, LockRepository, LockTimeoutError
from mongolock_async.testing import Mongod

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]

# What the machine itself may take, under load.
SLACK = 1.5


@pytest.fixture
async def server() -> AsyncIterator[Mongod]:
    """One that a test may stop or kill."""
    async with Mongod() as server:
        yield server


@pytest.fixture
async def collection(server: Mongod, driver: str) -> AsyncIterator[Any]:
    async with connected(driver, server.uri) as client:
        yield client.closing.locks
        if not server.node.alive:  # the client would look for it for 30 s, to say goodbye
            await server.node.restart()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    print(f"took {took:.2f} s")
    assert took < seconds + SLACK


async def end(server: Mongod, how: str) -> None:
    if how == "stopped":
        server.node.stop()
    else:
        await server.node.kill()


@pytest.mark.parametrize("how", ["stopped", "killed"])
@pytest.mark.parametrize("timeout", [None, 1.0])
async def test_closing_50_leases_takes_no_longer_than_its_timeout(
    collection: Any, server: Mongod, how: str, timeout: float | None
) -> None:
    locks = LockRepository(collection)
    leases = [await locks.acquire(f"n{number}", keep_alive=number % 2 == 0) for number in range(50)]
    try:
        await end(server, how)
        with within(5.0 if timeout is None else timeout):
            await (locks.aclose() if timeout is None else locks.aclose(timeout=timeout))
        assert not any(lease.held for lease in leases)
        if timeout is None:  # nothing is left that the end of the loop would cancel
            assert len(locks._member.background) == 0
    finally:
        if how == "stopped":
            server.node.resume()
        await locks.aclose(timeout=30)  # what is cut off at the loop's end may lock PyMongo's client for ever


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_a_block_is_left_within_a_second(locks: LockRepository, server: Mongod, how: str) -> None:
    try:
        async with locks.lock("cron", ttl=60):
            await end(server, how)
            began = time.monotonic()
        print(f"took {time.monotonic() - began:.2f} s")
        assert time.monotonic() - began < 1 + SLACK
    finally:
        if how == "stopped":
            server.node.resume()


async def test_a_body_is_told_of_the_closing_while_the_server_is_dead(
    collection: Any, server: Mongod
) -> None:
    locks = LockRepository(collection)

    async def work() -> None:
        async with locks.lock("cron", ttl=60):
            await asyncio.sleep(600)

    task = asyncio.create_task(work())
    while not locks.stats().held:
        await asyncio.sleep(0.01)
    server.node.stop()
    try:
        with within(5):
            await locks.aclose()
        with pytest.raises(LeaseLostError), within(0):
            await task
    finally:
        server.node.resume()
        await locks.aclose(timeout=30)


@pytest.mark.parametrize(("waited", "pause"), [(0.02, 0), (0.3, 0), (0.3, 1), (1.5, 0)])
async def test_closing_after_a_wait_takes_no_time(
    collection: Any, server: Mongod, driver: str, waited: float, pause: float
) -> None:
    async with LockRepository(collection) as locks, connected(driver, server.uri) as client:
        await locks.acquire("cron", ttl=60)
        for _ in range(3):
            waiting = LockRepository(client.closing.locks)
            with pytest.raises(LockTimeoutError):
                await waiting.acquire("cron", timeout=waited)
            await asyncio.sleep(pause)
            with within(0):
                await waiting.aclose()
