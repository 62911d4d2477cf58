"""Answers that come when it is too late to believe them."""

from __future__ import annotations

import asyncio

import pytest
from mongo.shared import Fail, Meanwhile, drained, is_free
from support import until

from mongolock_async import LockRepository
from mongolock_async._memory.clock import MemoryClock

pytestmark = [
    pytest.mark.parametrize("uri", ["standalone"], indirect=True),
    # Its listeners are called in the event loop, just before a command is sent.
    pytest.mark.parametrize("driver", ["pymongo"], indirect=True),
]


@pytest.fixture
def commands() -> Meanwhile:
    return Meanwhile()


@pytest.fixture
async def warm(locks: LockRepository, clock: MemoryClock, commands: Meanwhile) -> LockRepository:
    """A repository whose index is made, and whose clock can be set forward."""
    assert clock.now() > 0
    await locks.create("cron")
    commands.clear()
    return locks


async def test_a_release_during_a_renewal_still_says_that_the_lease_was_ours(
    warm: LockRepository, clock: MemoryClock, commands: Meanwhile, fail: Fail
) -> None:
    lease = await warm.acquire("cron", ttl=60, keep_alive=True)
    # The renewal is answered while the release is held up: nobody else may give the lease back meanwhile.
    await fail("findAndModify", blockConnection=True, blockTimeMS=300)
    releases: list[asyncio.Task[bool]] = []
    commands.clear()
    commands.todo = [lambda: releases.append(asyncio.create_task(lease.release()))]
    clock.advance(20)
    await until(lambda: asyncio.sleep(0, bool(releases)))
    assert await releases[0] is True
    await drained(warm)
    assert commands.counts == {"update": 1, "findAndModify": 1}


async def test_a_lease_that_is_renewed_when_it_is_over_here_is_given_back(
    warm: LockRepository, clock: MemoryClock, commands: Meanwhile
) -> None:
    lease = await warm.acquire("cron", ttl=60, keep_alive=True)
    commands.todo = [lambda: clock.advance(40)]
    clock.advance(20)
    await lease.lost.wait()
    # The server would let it live for another minute.
    await until(lambda: is_free(warm))
