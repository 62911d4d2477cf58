"""Readers together, writers alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from faulty import FaultyLocks
from virtual import settle
from waiters import look, now, rests

from mongolock_async import Lease, LockRepository, LockTimeoutError


async def test_readers_hold_it_together_and_a_writer_alone(locks: LockRepository) -> None:
    cfg = locks.rwlock("cfg")
    readers = [await cfg.read().acquire() for _ in range(3)]
    assert await cfg.write().obtain() is None
    for reader in readers:
        await reader.release()
    writer = await cfg.write().obtain()
    assert writer is not None
    assert await cfg.read().obtain() is None
    assert (await look(locks, "cfg")).kind == "rwlock"


async def test_one_upgradable_reader_holds_it_beside_others(locks: LockRepository) -> None:
    cfg = locks.rwlock("cfg")
    assert await cfg.read().obtain() is not None
    assert await cfg.upgradable().obtain() is not None
    assert await cfg.upgradable().obtain() is None
    assert await cfg.read().obtain() is not None


async def test_a_writer_is_not_starved_by_readers_who_come_after_it(
    locks: LockRepository, others: LockRepository
) -> None:
    reader = await locks.rwlock("cfg").read().acquire()
    writer = asyncio.create_task(others.rwlock("cfg").write().acquire())
    await settle()
    later = asyncio.create_task(locks.rwlock("cfg").read().acquire())
    await settle()
    assert await others.rwlock("cfg").read().obtain() is None
    await reader.release()
    await settle()
    assert (writer.done(), later.done()) == (True, False)
    await (await writer).release()
    await later


async def test_64_tasks_that_read_hold_it_together_after_one_grant(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks
) -> None:
    writer = await others.rwlock("cfg").write().acquire()
    inside = most = 0

    async def read() -> None:
        nonlocal inside, most
        async with locks.rwlock("cfg").read():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(1)
            inside -= 1

    readers = [asyncio.create_task(read()) for _ in range(64)]
    await settle()
    assert len((await look(locks, "cfg")).queue) == 64
    before = memory.sent["release"], memory.sent["claim"]
    await writer.release()
    await settle()
    assert most == 64
    assert (memory.sent["release"], memory.sent["claim"]) == (before[0] + 1, before[1])
    await asyncio.gather(*readers)


async def test_a_writer_in_a_line_parts_the_readers_before_it_from_those_behind(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await others.rwlock("cfg").write().acquire()
    cfg = locks.rwlock("cfg")
    ways = [cfg.read(), cfg.read(), cfg.write(), cfg.read(), cfg.read()]
    tasks = [asyncio.create_task(way.acquire()) for way in ways]
    await settle()
    assert len((await look(locks, "cfg")).queue) == 2
    await held.release()
    await settle()
    assert [task.done() for task in tasks] == [True, True, False, False, False]
    for task in tasks[:2]:
        await (await task).release()
    await settle()
    assert [task.done() for task in tasks[2:]] == [True, False, False]
    await (await tasks[2]).release()
    await asyncio.gather(*tasks[3:])


async def test_readers_behind_a_writer_of_their_process_are_not_in_the_queue_yet(
    locks: LockRepository, others: LockRepository
) -> None:
    await others.rwlock("cfg").read().acquire()
    cfg = locks.rwlock("cfg")
    tasks = [asyncio.create_task(way.acquire()) for way in (cfg.write(), cfg.read(), cfg.read())]
    await settle()
    assert len((await look(locks, "cfg")).queue) == 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_process_that_reads_keeps_its_writers_place(
    locks: LockRepository, others: LockRepository
) -> None:
    """To the back goes only who has released all of it."""
    readers = [await each.rwlock("cfg").read().acquire() for each in (locks, others)]
    mine = asyncio.create_task(locks.rwlock("cfg").write().acquire())
    await settle()
    theirs = asyncio.create_task(others.rwlock("cfg").write().acquire())
    await settle()
    for reader in reversed(readers):
        await reader.release()
    await settle()
    assert (mine.done(), theirs.done()) == (True, False)
    mine_again = asyncio.create_task(locks.rwlock("cfg").write().acquire())
    await settle()
    await (await mine).release()
    await settle()
    assert (theirs.done(), mine_again.done()) == (True, False)
    theirs.result()
    await theirs.result().release()
    await mine_again


async def test_its_ways_have_what_it_was_made_with_or_their_own(locks: LockRepository) -> None:
    cfg = locks.rwlock("cfg", "me", ttl=7, timeout=2)
    lease = await cfg.read().acquire()
    assert (lease.owner, lease.ttl) == ("me", 7)
    other = await cfg.read("you", ttl=8).acquire()
    assert (other.owner, other.ttl) == ("you", 8)
    for way, waited in ((cfg.write(), 2), (cfg.write(timeout=1), 1)):
        began = now()
        with pytest.raises(LockTimeoutError):
            await way.acquire()
        assert now() - began == pytest.approx(waited, abs=0.1)


async def test_its_ways_are_blocks_and_decorators(locks: LockRepository) -> None:
    cfg = locks.rwlock("cfg")
    async with cfg.read() as lease, cfg.read() as other:
        assert (lease.held, other.held) == (True, True)

    @cfg.write()
    async def write() -> int:
        return len((await look(locks, "cfg")).holders)

    assert await write() == 1
    assert rests(locks)


@pytest.mark.parametrize("way", ["read", "write", "upgradable"])
@pytest.mark.parametrize("wrong", [{"owner": 1.5}, {"ttl": 0}, {"ttl": "1"}, {"timeout": "1"}])
def test_wrong_arguments_send_nothing(
    locks: LockRepository, memory: FaultyLocks, way: str, wrong: dict[str, Any]
) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        getattr(locks.rwlock("cfg"), way)(**wrong)
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        locks.rwlock("cfg", **wrong)
    with pytest.raises((TypeError, ValueError), match="name"):
        locks.rwlock("")
    assert not memory.sent


async def test_a_writer_fences(locks: LockRepository, memory: FaultyLocks) -> None:
    lease = await locks.rwlock("cfg").write().acquire()
    with pytest.raises(TypeError, match="collection"):
        lease.fenced(memory)  # type: ignore[arg-type] # the fence itself is MongoDB's: tests/mongo
    assert isinstance(lease, Lease)
