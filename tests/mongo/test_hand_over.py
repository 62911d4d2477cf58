"""What it costs to wait, and to hand a lock over, counted in commands."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from mongo.shared import (
    Answers,
    StandingClock,
    callable_by,
    drained,
    listens,
    look,
    stands,
    waiting,
    with_clock,
)
from support import CommandLog, until

from mongolock_async import LockRepository

on_replica_set = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)
on_standalone = pytest.mark.parametrize("uri", ["standalone"], indirect=True)


def counts(*logs: CommandLog) -> dict[str, int]:
    """The commands, but for the reading of calls."""
    total = sum((Counter(log.counts) for log in logs), Counter[str]())
    return {name: count for name, count in total.items() if name != "getMore"}


def writes(commands: CommandLog) -> list[Any]:
    """Whom each write waited for."""
    sent = [event.command for event in commands.sent]
    return [command["writeConcern"] for command in sent if "writeConcern" in command]


@on_replica_set
async def test_a_hand_over_to_another_process_is_a_write_a_call_and_a_read(
    locks: LockRepository, far: LockRepository, commands: CommandLog, far_commands: Answers
) -> None:
    held = await locks.acquire("cron")
    await callable_by(locks)
    clock = with_clock(far, StandingClock())
    waiter = waiting(far, keep_alive=True)
    await listens(far)
    commands.clear()
    far_commands.clear()
    await held.release()
    lease = await waiter
    await drained(far)
    assert commands.counts == {"findAndModify": 1, "insert": 1}
    assert writes(commands) == [{"w": 1}, {"w": 1, "j": True}]
    assert counts(far_commands) == {"find": 1}
    assert far_commands.last("find")["readConcern"]["level"] == "majority"
    clock.advance(0.19)
    await asyncio.sleep(0.05)
    assert counts(far_commands) == {"find": 1}
    clock.advance(0.02)
    await until(lambda: asyncio.sleep(0, far.stats().renewals == 1))
    assert counts(far_commands) == {"find": 1, "update": 1}
    (holder,) = (await look(locks)).holders
    assert holder.fencing_token == lease.fencing_token > held.fencing_token
    assert holder.remaining > 25


@on_replica_set
async def test_a_lease_that_is_let_go_at_once_is_not_renewed(
    locks: LockRepository, far: LockRepository, far_commands: Answers
) -> None:
    held = await locks.acquire("cron")
    clock = with_clock(far, StandingClock())
    waiter = waiting(far, keep_alive=True)
    await listens(far)
    far_commands.clear()
    await held.release()
    await (await waiter).release()
    clock.advance(1)
    await asyncio.sleep(0.05)
    assert counts(far_commands) == {"find": 1, "findAndModify": 1}


@pytest.mark.parametrize(
    ("uri", "keep_alive"), [("replica_set", False), ("standalone", True)], indirect=["uri"]
)
async def test_one_who_cannot_just_read_asks_and_needs_no_first_renewal(
    locks: LockRepository,
    far: LockRepository,
    far_commands: Answers,
    keep_alive: bool,  # noqa: FBT001 - a parameter
) -> None:
    held = await locks.acquire("cron")
    clock = with_clock(far, StandingClock())
    waiter = waiting(far, keep_alive=keep_alive)
    await listens(far)
    far_commands.clear()
    await held.release()
    assert (await waiter).remaining > 28
    clock.advance(1)
    await asyncio.sleep(0.05)
    assert counts(far_commands) == {"findAndModify": 1}
    assert writes(far_commands) == [{"w": "majority"}]


@on_replica_set
async def test_a_hand_over_inside_of_a_repository_is_its_release_alone(
    locks: LockRepository, commands: CommandLog
) -> None:
    clock = with_clock(locks, StandingClock())
    held = await locks.acquire("cron")
    waiter = waiting(locks, keep_alive=True)
    await listens(locks)
    commands.clear()
    await held.release()
    lease = await waiter
    await drained(locks)
    assert counts(commands) == {"findAndModify": 1}
    assert writes(commands) == [{"w": "majority"}]
    clock.advance(0.21)
    await until(lambda: asyncio.sleep(0, locks.stats().renewals == 1))
    assert counts(commands) == {"findAndModify": 1, "update": 1}
    assert lease.held


@on_replica_set
async def test_a_hand_over_between_repositories_of_one_process_needs_no_call(
    locks: LockRepository, others: LockRepository, commands: CommandLog
) -> None:
    held = await locks.acquire("cron")
    with_clock(others, StandingClock())
    waiter = waiting(others, keep_alive=True)
    await listens(others)
    commands.clear()
    await held.release()
    assert (await waiter).held
    assert counts(commands) == {"findAndModify": 1, "find": 1}


@on_replica_set
async def test_others_come_before_those_of_the_process_that_releases(
    locks: LockRepository, far: LockRepository, commands: CommandLog
) -> None:
    held = await locks.acquire("cron")
    await callable_by(locks)
    here = waiting(locks)
    await stands(locks)
    there = waiting(far)
    await stands(locks, 2)
    locks._member.waiting.others._crowded.add("cron")  # as its next look would have told
    commands.clear()
    await held.release()
    lease = await there
    assert not here.done()
    assert writes(commands)[0] == {"w": 1}
    await lease.release()
    assert (await here).held


@on_replica_set
async def test_a_turn_of_two_processes_that_contend_is_two_writes_a_call_and_a_read(
    locks: LockRepository, far: LockRepository, commands: CommandLog, far_commands: Answers
) -> None:
    for one in (locks, far):
        with_clock(one, StandingClock())
        await callable_by(one)

    async def contend(locks: LockRepository, turns: int) -> None:
        for _ in range(turns):
            async with locks.lock("cron"):
                await asyncio.sleep(0)

    async def both(turns: int) -> None:
        await asyncio.gather(contend(locks, turns), contend(far, turns))

    await listening(locks, far)
    commands.clear()
    far_commands.clear()
    await both(12)
    for one in (locks, far):
        await drained(one)
    found = counts(commands, far_commands)
    assert found["findAndModify"] == 48
    # One who finds the lock free needs neither.
    assert found["insert"] == found["find"] <= 24
    assert set(found) == {"findAndModify", "insert", "find"}


async def listening(locks: LockRepository, far: LockRepository) -> None:
    """Have both listen, which goes on for a while when nobody waits any more."""
    held = await locks.acquire("warm")
    waiters = [asyncio.create_task(one.acquire("warm")) for one in (locks, far)]
    for one in (locks, far):
        await listens(one)
    await held.release()
    for lease in asyncio.as_completed(waiters):
        await (await lease).release()


@on_standalone
async def test_those_who_wait_send_nothing_while_nothing_happens(
    locks: LockRepository, far: LockRepository, far_commands: Answers
) -> None:
    await locks.acquire("cron", ttl=600)
    clock = with_clock(far, StandingClock())
    waiters = [waiting(far) for _ in range(100)]
    await listens(far)
    far_commands.clear()
    clock.advance(0.8)
    await asyncio.sleep(0.1)
    assert counts(far_commands) == {}
    clock.advance(0.3)  # in case that a call was lost
    await until(lambda: asyncio.sleep(0, bool(counts(far_commands))))
    assert counts(far_commands) == {"find": 1}
    clock.advance(2.5)  # a place is kept alive as a lease is, and that is a look, too
    await until(lambda: asyncio.sleep(0, far.stats().renewals == 1))
    assert counts(far_commands)["update"] == 1
    for waiter in waiters:
        waiter.cancel()
    await asyncio.wait(waiters)
