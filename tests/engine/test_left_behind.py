"""What the log says of leases that could not be taken out: a line a second at most, and how many."""

from __future__ import annotations

import asyncio

import pytest
from faulty import FaultyLocks, lost
from waiters import now

from mongolock_async import LockError, LockRepository


async def test_500_claims_that_fail_and_cannot_be_withdrawn_make_two_lines(
    locks: LockRepository, memory: FaultyLocks, caplog: pytest.LogCaptureFixture
) -> None:
    await locks.create("cron")
    memory.faults = [lost(action, times=10**6, delay=0.01) for action in ("claim", "withdraw")]

    async def fail(number: int) -> None:
        with pytest.raises(LockError):
            await locks.obtain(f"n{number}")

    await asyncio.gather(*(fail(number) for number in range(500)))
    await asyncio.sleep(2)
    one, rest = caplog.messages
    assert "was not withdrawn; it expires by itself: " in one
    assert rest.startswith("499 leases of 'n")
    assert rest.endswith(" and 496 more were not withdrawn; they expire by themselves: NetworkTimeout")


async def test_500_blocks_that_are_left_without_an_answer_make_two_lines(
    locks: LockRepository, memory: FaultyLocks, caplog: pytest.LogCaptureFixture
) -> None:
    ready = asyncio.Barrier(500)

    async def block(number: int) -> None:
        async with locks.lock(f"n{number}"):
            await ready.wait()
            memory.faults = [lost("release", times=10**6, delay=0.01)]

    await asyncio.gather(*(block(number) for number in range(500)))
    await asyncio.sleep(2)
    one, rest = caplog.messages
    assert "was not confirmed; the lease expires by itself" in one
    assert rest.startswith("499 releases of 'n")
    assert rest.endswith(" and 496 more were not confirmed; the leases expire by themselves")


async def test_closing_says_what_was_not_said_yet(
    locks: LockRepository, memory: FaultyLocks, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b", "c"):
        await locks.obtain(name)
    memory.faults = [lost("withdraw", times=10)]
    await locks.aclose()
    assert now() < 0.1
    one, rest = caplog.messages
    assert one.startswith("a lease of ")
    assert rest.startswith("2 leases of ")
