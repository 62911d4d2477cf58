"""Whether a waiter takes a call's word for it that the lock is its own, or asks."""

from __future__ import annotations

import asyncio

import pytest
from faulty import Fault, FaultyLocks, late_call
from virtual import settle
from waiters import MS, about, listens, look, now, waiting

from mongolock_async import LockRepository
from mongolock_async._engine.backend import Call
from mongolock_async._protocol.request import Request


def call(locks: LockRepository, token: int | None) -> None:
    """Call the one of this process that waits for "cron"."""
    (place,) = locks._member.waiting.places("cron")
    locks._member.waiting._hear(Call(place, token))


@pytest.mark.parametrize(("waited", "asked"), [(2.45, 0), (2.55, 1)])
async def test_a_call_is_believed_unless_the_last_answer_is_older_than_a_quarter_of_the_ttl(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, waited: float, asked: int
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others, ttl=10)
    await asyncio.sleep(waited)
    memory.faults.append(Fault("ask", delay=1))
    await held.release()
    lease = await waiter
    assert now() == pytest.approx(waited + asked)
    counts_from = waited if asked else 0  # the sending of the last answered command
    assert lease.remaining == about(counts_from + 10 - 0.5 - now())


async def test_a_refreshed_place_is_an_answer(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others, ttl=10)
    await asyncio.sleep(3.34)
    memory.faults.append(Fault("ask", delay=1))
    await held.release()
    await waiter
    assert now() == pytest.approx(3.34)


@pytest.mark.parametrize(("waited", "renewed"), [(0.39, 0), (0.41, 1)])
async def test_a_lease_that_counts_from_a_tenth_of_its_ttl_ago_is_renewed_at_once(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, waited: float, renewed: int
) -> None:
    for pause in (0.01, waited):  # the first hand-over is measured, which takes a renewal, too
        held = await locks.acquire("cron")
        waiter = waiting(others, ttl=4)
        await asyncio.sleep(pause)
        memory.sent.clear()
        await held.release()
        lease = await waiter
        await settle()
        await lease.release()
    assert memory.sent["ask"] == renewed


async def test_a_hand_over_is_measured_once_a_second(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await listens(others)
    memory.times.clear()
    for _ in range(33):
        held = await locks.acquire("cron")
        waiter = waiting(others, ttl=100)
        await asyncio.sleep(0.3)
        await held.release()
        await (await waiter).release()
    assert now() == about(9.9)
    # At 0.3 s, and each time that more than a second has gone by since.
    assert memory.times["ask"] == [about(0.3 + 1.2 * number) for number in range(9)]


async def test_a_call_with_an_unknown_token_asks(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others)
    await settle()
    memory.sent.clear()
    memory.faults.append(late_call(5))
    await held.release()
    await settle()
    assert not waiter.done()
    call(others, None)
    lease = await waiter
    assert now() == about(0)
    assert memory.sent["ask"] == 1
    assert [holder.fencing_token for holder in (await look(locks)).holders] == [lease.fencing_token]


@pytest.mark.parametrize("late", [0, 1])
async def test_a_call_that_is_late_is_not_believed(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, late: int
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others)
    await settle()
    memory.sent.clear()
    call(others, held.fencing_token - late)
    await settle()
    assert memory.sent["ask"] == 1
    assert not waiter.done()
    assert held.held


async def test_a_call_that_was_not_believed_is_forgotten(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others)
    await settle()
    memory.sent.clear()
    call(others, held.fencing_token)
    await asyncio.sleep(9)
    assert memory.sent["ask"] == 1
    assert not waiter.done()


async def test_a_call_to_somebody_else_wakes_nobody(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others)
    await settle()
    memory.sent.clear()
    others._member.waiting._hear(Call(f"{others._member.id}.0", held.fencing_token + 1))
    await settle()
    assert not waiter.done()
    assert memory.sent["ask"] == 0


async def test_a_call_may_overtake_the_answer_to_the_claim(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    await listens(others)
    memory.faults.append(Fault("claim", delay=1, answer=True))
    waiter = waiting(others)
    await settle()
    await held.release()
    lease = await waiter
    assert now() == about(1)
    assert [holder.fencing_token for holder in (await look(locks)).holders] == [lease.fencing_token]


@pytest.mark.parametrize("delay", [0.002, 0.5, 2])
async def test_what_was_granted_before_anybody_listened_is_asked_for(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, delay: float
) -> None:
    held = await locks.acquire("cron")
    memory.faults.append(Fault("listen", delay=delay))
    waiter = waiting(others)
    await asyncio.sleep(delay - 0.001)
    await held.release()
    await waiter
    assert delay - 0.001 <= now() <= delay + MS


async def test_with_more_capacity_a_call_is_not_believed_but_asked_about(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    """Its token may be that of another who was granted along with us."""

    def shared(owner: str) -> Request:
        return Request("cron", owner, ttl=30, capacity=2)

    holdings = [await locks._member.acquire(shared(owner), None) for owner in "ab"]
    waiter = asyncio.create_task(others._member.acquire(shared("c"), None))
    await settle()
    assert not waiter.done()
    memory.faults.append(Fault("ask", delay=1))
    await locks._member.release(holdings[0])
    holding = await waiter
    assert now() == about(1)
    holders = (await look(locks)).holders
    assert [(holder.owner, holder.fencing_token) for holder in holders] == [
        ("b", holdings[1].fencing_token),
        ("c", holding.fencing_token),
    ]
