"""Waiting in a queue, and being called."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from datetime import timedelta
from typing import Any

import pytest
from support import CommandLog, until

from mongolock_async import Lease, LockError, LockInfo, LockRepository, LockTimeoutError, _protocol
from mongolock_async._projection import reply

on_replica_set = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)
on_standalone = pytest.mark.parametrize("uri", ["standalone"], indirect=True)


async def look(locks: LockRepository, name: str = "cron") -> LockInfo:
    info = await locks.get(name)
    assert info is not None
    return info


async def stands(locks: LockRepository, count: int = 1, name: str = "cron") -> None:
    """Wait until so many stand in the queue."""
    await until(lambda: _stands(locks, count, name))


async def _stands(locks: LockRepository, count: int, name: str) -> bool:
    info = await locks.get(name)
    return info is not None and len(info.queue) == count


async def listens(locks: LockRepository) -> None:
    """Wait until its stream is open, and what was missed before is asked for."""
    await until(lambda: _listens(locks))
    await asyncio.sleep(0.05)


async def _listens(locks: LockRepository) -> bool:
    return locks.stats().waits_by == "events"


def waiting(locks: LockRepository, *arguments: Any, **options: Any) -> asyncio.Task[Lease]:
    return asyncio.create_task(locks.acquire("cron", *arguments, **options))


async def test_many_tasks_of_a_process_have_one_place_in_the_queue(
    locks: LockRepository, others: LockRepository
) -> None:
    await locks.acquire("cron")
    tasks = [waiting(others) for _ in range(50)]
    await stands(locks)
    await asyncio.sleep(0.1)
    assert len((await look(locks)).queue) == 1
    assert others.stats().waiting == 50
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await stands(locks, 0)


async def test_the_tasks_of_a_process_are_served_in_their_order(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await locks.acquire("cron")
    served = []

    async def work(number: int) -> None:
        async with others.lock("cron"):
            served.append(number)

    tasks = [asyncio.create_task(work(number)) for number in range(10)]
    await stands(locks)
    await held.release()
    await asyncio.gather(*tasks)
    assert served == list(range(10))


async def test_a_cancelled_task_loses_its_place_and_nobody_elses(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await locks.acquire("cron")
    tasks = [waiting(others, owner=number) for number in range(4)]
    await stands(locks)
    tasks[0].cancel()
    tasks[2].cancel()
    await held.release()
    await (await tasks[1]).release()
    assert (await tasks[3]).owner == 3


async def test_processes_are_served_in_the_order_of_the_queue(make: Any) -> None:
    repositories = [make() for _ in range(4)]
    held = await repositories[0].acquire("cron")
    served = []

    async def work(number: int) -> None:
        async with repositories[number].lock("cron"):
            served.append(number)

    tasks = []
    for number in (2, 3, 1):
        tasks.append(asyncio.create_task(work(number)))
        await stands(repositories[0], len(tasks))
    await held.release()
    await asyncio.gather(*tasks)
    assert served == [2, 3, 1]


async def test_at_a_release_those_who_wait_elsewhere_come_first(
    locks: LockRepository, others: LockRepository, commands: CommandLog
) -> None:
    held = await locks.acquire("cron")
    here = waiting(locks, "here")
    await stands(locks)
    there = waiting(others, "there")
    await stands(locks, 2)
    commands.clear()
    await held.release()
    lease = await there
    assert [waiter.owner for waiter in (await look(locks)).queue] == ["here"]
    assert not here.done()
    await lease.release()
    assert (await here).held


@on_replica_set
@pytest.mark.parametrize("kind", ["update", "replace"])
async def test_a_grant_is_heard_of_as_an_update_and_as_a_replace(
    locks: LockRepository, others: LockRepository, collection: Any, commands: CommandLog, kind: str
) -> None:
    held = await locks.acquire("cron", ttl=120)
    await collection.update_one({"_id": "cron"}, {"$set": {"padding": "x" * 20_000}})
    waiter = waiting(others, ttl=60)
    await stands(locks)
    await listens(others)
    async with others._store.grants(others._session.id) as stream:
        commands.clear()
        if kind == "update":
            await held.release()
        else:
            document = await collection.find_one({"_id": "cron"})
            entry = document["queue"].pop()
            expires = entry["since"] + timedelta(minutes=1)
            document["holders"] = [{**entry, "token": document["token"] + 7, "expires": expires}]
            document["granted"] = entry["lease"]
            document["token"] += 7
            await collection.replace_one({"_id": "cron"}, document)
        lease = await waiter
        assert lease.fencing_token == (await look(locks)).fencing_token
        # The one that is sent by the test itself aside.
        assert commands.counts.get("find", 0) <= 2
        event = await stream._stream.try_next()
    assert ("updateDescription" in event) == (kind == "update")
    assert lease.held


@on_replica_set
async def test_a_hand_off_is_one_write(
    locks: LockRepository, others: LockRepository, commands: CommandLog
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others)
    await stands(locks)
    await listens(others)
    commands.clear()
    await held.release()
    lease = await waiter
    sent = [event.command["writeConcern"]["w"] for event in commands.sent if "writeConcern" in event.command]
    assert sent[:1] == [1]
    assert set(sent[1:]) <= {"majority"}  # the first renewal, in the background
    assert len(sent) <= 2
    assert lease.held


@on_replica_set
async def test_a_turn_of_two_who_contend_is_two_writes(make: Any, commands: CommandLog) -> None:
    """Also where the lock is let go before a renewal in the background is answered."""
    turns = 60

    async def contend(locks: LockRepository) -> None:
        for _ in range(turns // 2):
            async with locks.lock("cron", ttl=60):
                pass

    repositories = [make(), make()]
    await asyncio.gather(*(contend(locks) for locks in repositories))
    for locks in repositories:
        await listens(locks)
    commands.clear()
    began = time.monotonic()
    await asyncio.gather(*(contend(locks) for locks in repositories))
    measured = len(repositories) * (time.monotonic() - began + 1)
    assert commands.counts["findAndModify"] <= 2 * turns + measured


async def test_a_lease_got_by_waiting_lives_for_its_whole_ttl(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others, ttl=4)
    await stands(locks)
    await asyncio.sleep(1.2)
    await held.release()
    lease = await waiter
    await asyncio.sleep(0.1)  # the renewal
    assert 3.4 < lease.remaining < 4
    hand_off = others.stats().hand_off
    assert hand_off is not None
    assert 0 <= hand_off.median < 0.3


async def test_a_lease_got_by_waiting_has_the_token_that_the_server_gave(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others)
    await stands(locks)
    await held.release()
    lease = await waiter
    assert [holder.fencing_token for holder in (await look(locks)).holders] == [lease.fencing_token]
    assert lease.fencing_token > held.fencing_token
    assert await lease.release()


@pytest.mark.parametrize(
    ("uri", "mode"), [("standalone", "polling"), ("replica_set", "events")], indirect=["uri"]
)
async def test_it_says_how_it_waits(
    locks: LockRepository, others: LockRepository, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    held = await locks.acquire("cron")
    assert locks.stats().waits_by is None
    for _ in range(3):
        waiter = waiting(others)
        await stands(locks)
        await asyncio.sleep(0.2)
        assert others.stats().waits_by == mode
        await held.release()
        held = await waiter
        await held.release()
        held = await locks.acquire("cron")
    reasons = [record.message for record in caplog.records if "polling" in record.message]
    assert len(reasons) == (1 if mode == "polling" else 0)
    assert all("40573" in reason for reason in reasons)


@on_replica_set
async def test_a_stream_that_fails_means_polling_until_it_is_back(
    locks: LockRepository, others: LockRepository, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    held = await locks.acquire("cron")
    fail = {"failCommands": ["aggregate"], "errorCode": 13}
    await client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": fail})
    waiter = waiting(others)
    await stands(locks)
    await until(lambda: _polls(others))
    await held.release()
    lease = await waiter
    again = waiting(locks)
    waiter = waiting(others)
    await stands(locks, 2)
    async with asyncio.timeout(5):
        await listens(others)
    await lease.release()
    await (await again).release()
    await (await waiter).release()
    lines = [record for record in caplog.records if "waiting by polling" in record.message]
    assert [record.levelno for record in lines] == [logging.WARNING]


async def _polls(locks: LockRepository) -> bool:
    return locks.stats().waits_by == "polling"


@on_replica_set
async def test_without_waiters_a_release_is_an_event_to_nobody(
    locks: LockRepository, others: LockRepository
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others)
    await stands(locks)
    await listens(others)
    await held.release()
    await (await waiter).release()
    await listens(others)  # it lingers
    heard: list[object] = []
    others._session._queue._feed._hear = heard.append
    for _ in range(5):
        await (await locks.acquire("cron")).release()
        await (await others.acquire("cron")).release()
    await asyncio.sleep(0.1)
    assert heard == []


async def test_a_waiter_that_died_is_passed_over(
    locks: LockRepository, others: LockRepository, collection: Any
) -> None:
    held = await locks.acquire("cron")
    pipeline = _protocol.claim("dead.1", owner="dead", ttl_ms=30_000, wait=True)
    await collection.find_one_and_update({"_id": "cron"}, pipeline, projection=reply("dead.1"))
    waiter = waiting(others)
    await stands(locks, 2)
    past = [{"$set": {"queue": {"$map": {"input": "$queue", "as": "e", "in": _expired("dead.1")}}}}]
    await collection.update_one({"_id": "cron"}, past)
    await held.release()
    async with asyncio.timeout(2):
        assert (await waiter).held


def _expired(lease: str) -> Any:
    gone = {"$mergeObjects": ["$$e", {"expires": {"$subtract": ["$$NOW", 1]}}]}
    return {"$cond": [{"$eq": ["$$e.lease", lease]}, gone, "$$e"]}


async def test_a_dead_holders_lock_goes_to_the_head_and_then_to_the_next(
    locks: LockRepository, make: Any
) -> None:
    first, second = make(), make()
    await locks.acquire("cron", "dead", ttl=0.6)
    one = asyncio.create_task(first.acquire("cron", ttl=0.5))
    await stands(locks)
    two = asyncio.create_task(second.acquire("cron"))
    await stands(locks, 2)
    async with asyncio.timeout(3):
        assert (await one).owner
        began = time.monotonic()  # and it dies, too
        assert (await two).held
    assert time.monotonic() - began < 1


@on_replica_set
async def test_a_lost_place_is_taken_anew(
    locks: LockRepository, others: LockRepository, collection: Any
) -> None:
    held = await locks.acquire("cron")
    waiter = waiting(others)
    await stands(locks)
    await collection.update_one({"_id": "cron"}, {"$set": {"queue": []}})
    await held.release()
    async with asyncio.timeout(6):  # the next refresh of the place finds out
        assert (await waiter).held


@on_replica_set
async def test_a_collection_that_is_dropped_stops_neither_the_loop_nor_the_waiters(
    locks: LockRepository, others: LockRepository, collection: Any
) -> None:
    await locks.acquire("cron", ttl=60)
    waiter = waiting(others)
    await stands(locks)
    await listens(others)
    await collection.drop()
    async with asyncio.timeout(10):  # the next refresh of the place finds out
        assert (await waiter).held


@on_standalone
async def test_a_document_that_is_replaced_by_a_foreign_one_ends_the_wait(
    locks: LockRepository, others: LockRepository, collection: Any
) -> None:
    await locks.acquire("cron")
    waiter = waiting(others)
    await stands(locks)
    await collection.replace_one({"_id": "cron"}, {"somebody": "else's"})
    async with asyncio.timeout(5):
        with pytest.raises(LockError, match="not a lock"):
            await waiter


async def test_a_place_is_refreshed(locks: LockRepository, others: LockRepository) -> None:
    await locks.acquire("cron")
    waiter = waiting(others)
    await stands(locks)
    await asyncio.sleep(4)
    assert (await look(locks)).queue[0].remaining > 8.5
    waiter.cancel()
    await asyncio.wait([waiter])


async def test_a_timeout_leaves_the_queue_before_it_raises(
    locks: LockRepository, others: LockRepository
) -> None:
    await locks.acquire("cron", "holder")
    for _ in range(5):
        with pytest.raises(LockTimeoutError):
            await others.acquire("cron", timeout=0.1)
        assert (await look(locks)).queue == ()


async def test_a_timeout_names_who_is_in_the_way_by_then(
    locks: LockRepository, others: LockRepository, make: Any
) -> None:
    third = make()
    held = await locks.acquire("cron", "first")
    successor = waiting(third, "second")
    await stands(locks)
    waiter = waiting(others, timeout=0.6)
    behind = waiting(others, timeout=0.7)
    await stands(locks, 2)
    await held.release()
    await successor
    for task in (waiter, behind):
        with pytest.raises(LockTimeoutError) as caught:
            await task
        assert caught.value.owner == "second"
        assert caught.value.age is not None
        assert 0 < caught.value.age < 0.8


@pytest.mark.parametrize("form", ["acquire", "block"])
async def test_a_timeout_of_0_asks_once_and_raises(
    locks: LockRepository, others: LockRepository, commands: CommandLog, form: str
) -> None:
    lease = await others.acquire("cron", "holder", timeout=0)
    await locks.create("cron")
    commands.clear()
    with pytest.raises(LockTimeoutError) as caught:
        if form == "acquire":
            await locks.acquire("cron", timeout=0)
        else:
            async with locks.lock("cron", timeout=0):
                pytest.fail("it is held")
    assert (caught.value.timeout, caught.value.owner) == (0, "holder")
    assert commands.counts == {"findAndModify": 1}
    assert (await look(locks)).queue == ()
    assert await lease.release()


async def test_a_grant_at_the_moment_of_a_timeout_is_not_lost(
    locks: LockRepository, others: LockRepository
) -> None:
    for _ in range(30):
        held = await locks.acquire("cron")
        waiter = waiting(others, timeout=0.05)
        await asyncio.sleep(random.uniform(0.04, 0.055))
        await held.release()
        try:
            await (await waiter).release()
        except LockTimeoutError:
            async with asyncio.timeout(1):
                await until(lambda: _free(locks))


async def _free(locks: LockRepository) -> bool:
    info = await look(locks)
    return not info.held and not info.queue


async def test_closing_sends_those_who_wait_away(locks: LockRepository, others: LockRepository) -> None:
    await locks.acquire("cron")
    tasks = [waiting(others) for _ in range(20)]
    await stands(locks)
    await others.aclose()
    for task in tasks:
        with pytest.raises(LockError, match="closed"):
            await task
    assert (await look(locks)).queue == ()


async def test_a_release_at_the_moment_of_an_arrival_leaves_nobody_waiting(
    locks: LockRepository, others: LockRepository
) -> None:
    for _ in range(100):
        held = await locks.acquire("cron")
        waiter = waiting(others)
        await asyncio.sleep(random.uniform(0, 0.006))
        await held.release()
        async with asyncio.timeout(5):
            await (await waiter).release()


@on_replica_set
async def test_it_waits_without_a_command_a_second(
    locks: LockRepository, others: LockRepository, commands: CommandLog
) -> None:
    await locks.acquire("cron")
    tasks = [waiting(others) for _ in range(100)]
    await stands(locks)
    await listens(others)
    commands.clear()
    await asyncio.sleep(3)
    sent = {name: count for name, count in commands.counts.items() if name != "getMore"}
    assert sum(sent.values()) <= 1, sent
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@on_standalone
async def test_a_queue_of_1000_processes_is_still_fast(locks: LockRepository, collection: Any) -> None:
    held = await locks.acquire("cron")
    pipeline = [
        {
            "$set": {
                "queue": {
                    "$map": {
                        "input": {"$range": [0, 1000]},
                        "as": "n",
                        "in": {
                            "lease": {"$concat": ["0123456789abcdef", {"$toString": "$$n"}, ".1"]},
                            "owner": "somebody:12345",
                            "weight": 1,
                            "ttl": 30_000,
                            "since": "$$NOW",
                            "expires": {"$add": ["$$NOW", 60_000]},
                        },
                    }
                }
            }
        }
    ]
    await collection.update_one({"_id": "cron"}, pipeline)
    claims, releases = [], []
    for _ in range(10):
        began = time.perf_counter()
        assert await locks.obtain("cron") is None
        claims.append(time.perf_counter() - began)
    for _ in range(5):
        began = time.perf_counter()
        await locks._store.release("cron", held.id)  # type: ignore[attr-defined]  # a Holding
        releases.append(time.perf_counter() - began)
    assert min(claims) < 0.020
    assert min(releases) < 0.020
    assert len((await look(locks)).queue) == 999
