"""What it costs to wait, and to hand a lock over, where the waiters are called."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mongo.shared import MakeRepository, drained, listens, look, stands, waiting, with_clock
from support import CommandLog, until

from mongolock_async import LockRepository
from mongolock_async._memory.clock import MemoryClock

pytestmark = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)


class StandingClock(MemoryClock):
    """Only a test sets it forward."""

    def now(self) -> float:
        return self.ahead


def writes(commands: CommandLog) -> list[Any]:
    """Whom each write waited for."""
    sent = [event.command for event in commands.sent]
    return [command["writeConcern"]["w"] for command in sent if "writeConcern" in command]


async def test_a_hand_over_is_one_write_and_a_first_renewal_in_the_background(
    locks: LockRepository, others: LockRepository, commands: CommandLog
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others)
    await stands(locks)
    await listens(others)
    commands.clear()
    await held.release()
    lease = await waiter
    await drained(others)
    assert writes(commands) == [1, "majority"]
    assert "find" not in commands.counts
    assert lease.held
    (holder,) = (await look(locks)).holders
    assert holder.fencing_token == lease.fencing_token > held.fencing_token


async def test_a_turn_of_two_who_contend_is_two_writes(make: MakeRepository, commands: CommandLog) -> None:
    """Also where the lock is let go before a renewal in the background is answered."""
    repositories = [make(), make()]
    clocks = [with_clock(locks, StandingClock()) for locks in repositories]

    async def contend(locks: LockRepository, turns: int) -> None:
        for _ in range(turns):
            async with locks.lock("cron"):
                await asyncio.sleep(0)

    async def both(turns: int) -> None:
        await asyncio.gather(*(contend(locks, turns) for locks in repositories))

    await opened(repositories)
    await both(1)
    commands.clear()
    for clock in clocks:
        clock.advance(2)
    await both(12)
    for locks in repositories:
        await drained(locks)
    # To measure a hand-over is one more write, once a second and repository at most.
    assert 48 <= commands.counts["findAndModify"] <= 50
    assert set(commands.counts) <= {"findAndModify", "getMore"}


async def opened(repositories: list[LockRepository]) -> None:
    """Have them all listen, which goes on for a while when nobody waits any more."""
    held = await repositories[0].acquire("cron")
    waiters = [waiting(locks) for locks in repositories]
    for locks in repositories:
        await listens(locks)
    await stands(repositories[0], len(waiters))
    await held.release()
    for lease in asyncio.as_completed(waiters):
        await (await lease).release()


async def test_those_who_wait_send_nothing_while_nothing_happens(
    locks: LockRepository, others: LockRepository, commands: CommandLog
) -> None:
    await locks.acquire("cron", ttl=600)
    clock = with_clock(others, StandingClock())
    waiters = [waiting(others) for _ in range(100)]
    await stands(locks)
    await listens(others)
    commands.clear()
    clock.advance(3.3)
    await asyncio.sleep(0.1)
    assert set(commands.counts) <= {"getMore"}
    clock.advance(0.1)  # a place is kept alive as a lease is
    await until(lambda: asyncio.sleep(0, others.stats().renewals == 1))
    assert commands.counts.keys() - {"getMore"} == {"update"}
    for waiter in waiters:
        waiter.cancel()
    await asyncio.wait(waiters)
