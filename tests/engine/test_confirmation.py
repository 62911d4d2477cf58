"""A call alone is never believed: the server is asked what it is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks, lost, unanswered
from virtual import settle
from waiters import MS, about, is_free, look, now, queue, rests, waiting

from mongolock_async import Lease, LockRepository, LockTimeoutError
from mongolock_async._engine.backend import Call
from mongolock_async._protocol.request import Request


def call(locks: LockRepository) -> None:
    """Call the one of this process that waits for "cron"."""
    (place,) = locks._member.waiting.places("cron")
    locks._member.waiting._hear(Call("cron", place.id, None))


async def waits(locks: LockRepository, memory: FaultyLocks, *, keep_alive: bool) -> asyncio.Task[Lease]:
    """One who stands in the queue, from when on commands are counted."""
    waiter = waiting(locks, keep_alive=keep_alive)
    await settle()
    memory.sent.clear()
    return waiter


@pytest.mark.parametrize(("keep_alive", "sent"), [(True, {"confirm": 1}), (False, {"ask": 1})])
async def test_a_call_is_made_sure_of_by_one_read_or_else_by_one_question(
    locks: LockRepository,
    others: LockRepository,
    memory: FaultyLocks,
    sent: dict[str, int],
    *,
    keep_alive: bool,
) -> None:
    held = await locks.acquire("cron")
    waiter = await waits(others, memory, keep_alive=keep_alive)
    await asyncio.sleep(0.5)
    await held.release()
    lease = await waiter
    assert now() == about(0.5)
    assert memory.sent == {"release": 1, **sent}
    assert [holder.fencing_token for holder in (await look(locks)).holders] == [lease.fencing_token]


async def test_a_lease_counts_from_the_sending_of_what_made_sure_of_it(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    for keep_alive, action, life in ((True, "confirm", 10), (False, "ask", 30)):
        held = await locks.acquire("cron")
        waiter = await waits(others, memory, keep_alive=keep_alive)
        memory.faults = [Fault(action, delay=0.25), Fault(action, delay=0.25, answer=True)]
        await held.release()
        lease = await waiter
        # Its life began with the question, or, for a read, with the release before that.
        gone = 0.25 + 0.25 if action == "ask" else 0.25 + 0.5
        assert lease.remaining == about(life - 1 - gone)
        await lease.release()


@pytest.mark.parametrize("keep_alive", [True, False])
async def test_a_lie_leaves_the_place_as_it_was(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, *, keep_alive: bool
) -> None:
    held = await locks.acquire("cron", ttl=60)
    waiter = await waits(others, memory, keep_alive=keep_alive)
    (place,) = others._member.waiting.places("cron")
    call(others)
    await settle()
    assert memory.sent == ({"confirm": 1} if keep_alive else {"ask": 1})
    assert not waiter.done()
    assert held.held
    assert others._member.waiting.places("cron") == [place]
    await asyncio.sleep(9)  # and it is forgotten
    assert memory.sent["confirm"] + memory.sent["ask"] == 1
    assert (memory.missed, place.waits, place.call) == (0, True, None)
    await held.release()
    assert (await waiter).held


@pytest.mark.parametrize("fault", [lost, unanswered])
async def test_without_an_answer_the_place_is_as_before_and_looked_for_at_once(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, fault: Callable[..., Fault]
) -> None:
    held = await locks.acquire("cron")
    waiter = await waits(others, memory, keep_alive=True)
    memory.faults = [fault("confirm", delay=0.5)]
    await held.release()
    lease = await waiter
    assert now() == about(0.5)
    assert memory.sent == {"release": 1, "confirm": 1, "look": 1, "ask": 1}
    assert lease.remaining == about(29)


async def test_a_lie_without_an_answer_costs_a_look(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=60)
    waiter = await waits(others, memory, keep_alive=True)
    memory.faults = [lost("confirm")]
    call(others)
    await settle()
    assert memory.sent == {"confirm": 1, "look": 1}
    assert not waiter.done()
    assert len(await queue(locks)) == 1


async def test_a_call_to_somebody_else_wakes_nobody(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron")
    waiter = await waits(others, memory, keep_alive=True)
    others._member.waiting._hear(Call("cron", f"{others._member.id}.0", None))
    await settle()
    assert not waiter.done()
    assert memory.sent == {}


@pytest.mark.parametrize("keep_alive", [True, False])
async def test_a_call_may_overtake_the_answer_to_the_claim(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, *, keep_alive: bool
) -> None:
    held = await locks.acquire("cron")
    memory.faults.append(Fault("claim", delay=1, answer=True))
    waiter = await waits(others, memory, keep_alive=keep_alive)
    await held.release()
    lease = await waiter
    assert now() == about(1)
    assert memory.sent == {"release": 1, "confirm" if keep_alive else "ask": 1}
    assert [holder.fencing_token for holder in (await look(locks)).holders] == [lease.fencing_token]


async def test_a_call_during_the_confirmation_of_another_is_made_sure_of_too(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron")
    waiter = await waits(others, memory, keep_alive=True)
    memory.faults = [Fault("confirm", delay=0.5, answer=True)]
    call(others)  # a lie, of which the answer takes its time
    await settle()
    await held.release()
    assert (await waiter).held
    assert now() == about(0.5)
    assert memory.sent["confirm"] == 2


async def test_a_call_for_a_place_whose_withdrawal_failed_is_answered_by_another_withdrawal(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    held = await locks.acquire("cron", ttl=60)
    memory.faults = [lost("withdraw")]
    with pytest.raises(LockTimeoutError):
        await others.acquire("cron", timeout=5)
    await asyncio.sleep(2)
    assert len(await queue(locks)) == 1
    memory.times.clear()
    await held.release()
    await settle()
    assert memory.times["withdraw"] == [about(7)]
    assert await is_free(locks)
    assert others._member.leases.withdrawals.left_behind == {}
    assert rests(others)


async def test_a_call_for_a_place_that_was_withdrawn_is_of_no_consequence(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    await locks.acquire("cron", ttl=60)
    waiter = await waits(others, memory, keep_alive=True)
    (place,) = others._member.waiting.places("cron")
    waiter.cancel()
    await settle()
    memory.sent.clear()
    others._member.waiting._hear(Call("cron", place.id, None))
    await settle()
    assert memory.sent == {}


async def test_of_several_that_are_granted_at_once_each_is_called(make: MakeRepository) -> None:
    def of_four(owner: str, weight: int) -> Request:
        return Request("cron", owner, ttl=30, keep_alive=True, weight=weight, capacity=4, kind="semaphore")

    held = await make()._member.acquire(of_four("heavy", 4), None)
    tasks = [asyncio.create_task(make()._member.acquire(of_four(owner, 2), None)) for owner in "abc"]
    await asyncio.sleep(0.5)
    first = make()
    await first._member._backend.release("cron", held.id)
    await settle()
    assert [task.done() for task in tasks] == [True, True, False]
    assert now() <= 0.5 + MS
    info = await look(first)
    assert [holder.owner for holder in info.holders] == ["a", "b"]
    assert [holder.fencing_token for holder in info.holders] == [
        task.result().fencing_token for task in tasks[:2]
    ]
    tasks[2].cancel()
    held.end("released")
