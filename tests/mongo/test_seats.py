"""How many may listen: half of a client's connections, and half of Motor's threads, are left to commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mongo.shared import listens, polls, waiting
from motor.frameworks import asyncio as motor
from support import connected, until

from mongolock_async import LockRepository
from mongolock_async._mongo import calls, capped

pytestmark = pytest.mark.parametrize("uri", ["standalone"], indirect=True)
by_motor = pytest.mark.parametrize("driver", ["motor"], indirect=True)
by_pymongo = pytest.mark.parametrize("driver", ["pymongo"], indirect=True)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading ends soon after the last waiter."""
    monkeypatch.setattr(calls, "LINGER", 0.05)
    monkeypatch.setattr(capped, "AWAIT", 0.2)


@pytest.fixture
async def small(uri: str, driver: str) -> AsyncIterator[Any]:
    """A client with two connections."""
    async with connected(driver, uri, maxPoolSize=2) as client:
        yield client


async def polling(locks: LockRepository) -> None:
    await until(lambda: asyncio.sleep(0, locks.stats().waits_by == "polling"), within=30)


async def takes_turns(first: LockRepository, second: LockRepository) -> None:
    """While one listens, the other polls, and hears once there is a seat."""
    for one in (first, second):
        await one.acquire("cron")
    waiter = waiting(first)
    await listens(first)
    other = waiting(second)
    await polling(second)
    assert first.stats().waits_by == "calls"
    waiter.cancel()
    await listens(second)
    assert second.stats().waits_by == "calls"
    other.cancel()
    await asyncio.wait([waiter, other])


async def test_of_two_connections_one_is_left_to_commands(
    small: Any, store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    names = store.name, f"{store.name}.others"
    database = small[store.database.name]
    async with LockRepository(database[names[0]]) as first, LockRepository(database[names[1]]) as second:
        await takes_turns(first, second)
    where = f"{database.name}.{names[1]}.calls"
    why = "half of the client's connections listen already (maxPoolSize=2)"
    assert polls(caplog) == [
        f"waiting by polling: no calls from {where}: {why}",
        f"waiting by calls again: those from {where} are heard",
    ]


@by_motor
async def test_half_of_motors_threads_are_left_to_commands_whatever_the_client(
    locks: LockRepository,
    far: LockRepository,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(motor, "max_workers", 3)
    await far.create("cron")
    held = await locks.acquire("cron")
    waiter = waiting(locks)
    await listens(locks)
    other = waiting(far)
    await polling(far)
    assert "half of Motor's threads listen already (MOTOR_MAX_WORKERS=3)" in polls(caplog)[0]
    waiter.cancel()
    await listens(far)
    await held.release()
    assert (await other).held


@by_motor
async def test_a_motor_with_one_thread_is_not_listened_by(
    locks: LockRepository, others: LockRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(motor, "max_workers", 1)
    held = await locks.acquire("cron")
    waiter = waiting(others)
    await polling(others)
    await held.release()
    assert (await waiter).held


@by_pymongo
async def test_pymongo_has_no_threads_to_share(
    locks: LockRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(motor, "max_workers", 1)
    await locks.acquire("cron")
    waiter = waiting(locks)
    await listens(locks)
    waiter.cancel()
    await asyncio.wait([waiter])


async def test_any_number_of_repositories_takes_one_seat(small: Any, store: Any) -> None:
    collection = small[store.database.name][store.name]
    repositories = [LockRepository(collection) for _ in range(10)]
    await repositories[0].acquire("cron")
    waiters = [waiting(one) for one in repositories]
    for one in repositories:
        await listens(one)
        assert one.stats().waits_by == "calls"
    for waiter in waiters:
        waiter.cancel()
    await asyncio.wait(waiters)
    for one in repositories:
        await one.aclose()
