"""A primary that keeps its connections and answers nothing, while another is elected."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support import connected, until

from mongolock_async import LockRepository
from mongolock_async.testing import ReplicaSet

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]


@pytest.fixture
async def servers() -> AsyncIterator[ReplicaSet]:
    """A set of its own, whose primary may be stopped."""
    async with ReplicaSet(3) as servers:
        yield servers


@pytest.fixture
async def collection(servers: ReplicaSet, driver: str) -> AsyncIterator[Any]:
    async with connected(driver, servers.uri) as client:
        yield client.a.locks


async def test_a_claim_that_has_no_answer_is_asked_of_the_next_primary(
    servers: ReplicaSet, locks: LockRepository
) -> None:
    await locks.create("cron")
    primary = await servers.primary()
    primary.stop()
    began = time.monotonic()
    assert await locks.obtain("cron")
    took = time.monotonic() - began
    primary.resume()
    print(f"granted {took:.1f} s after the primary was stopped")
    assert took < 10


async def test_a_release_that_has_no_answer_is_sent_to_the_next_primary(
    servers: ReplicaSet, locks: LockRepository
) -> None:
    lease = await locks.acquire("cron", ttl=60)
    primary = await servers.primary()
    primary.stop()
    assert await lease.release()
    info = await locks.get("cron")
    primary.resume()
    assert info is not None
    assert not info.held


async def test_a_hand_off_reaches_one_whose_stream_fell_silent(
    servers: ReplicaSet, locks: LockRepository, others: LockRepository
) -> None:
    held = await locks.acquire("cron", ttl=120)
    waiter = asyncio.create_task(others.acquire("cron"))
    await until(lambda: hears(others))
    await asyncio.sleep(0.5)
    primary = await servers.primary()
    primary.stop()
    await held.release()
    began = time.monotonic()
    async with asyncio.timeout(30):
        assert (await waiter).held
    primary.resume()
    print(f"heard of {time.monotonic() - began:.1f} s after the release")


async def hears(locks: LockRepository) -> bool:
    return locks.stats().waits_by == "events"
