"""The one cursor on the calls: who shares it, what replaces it, and how it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mongo.shared import (
    Answers,
    MakeRepository,
    StandingClock,
    callable_by,
    listens,
    reading,
    waiting,
    with_clock,
)
from support import until

from mongolock_async import LockRepository
from mongolock_async._mongo import calls, capped, listening
from mongolock_async.testing import ReplicaSet

on_replica_set = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)
on_standalone = pytest.mark.parametrize("uri", ["standalone"], indirect=True)


@pytest.fixture
def commands() -> Answers:
    return Answers()


@pytest.fixture
async def written(locks: LockRepository) -> Any:
    """The collection of the calls, with one in it."""
    collection = await callable_by(locks)
    await collection.insert_one({"to": []})
    return collection


async def leave(*waiters: asyncio.Task[Any]) -> None:
    for waiter in waiters:
        waiter.cancel()
    await asyncio.wait(waiters)


def opened(commands: Answers, collection: Any) -> int:
    """How many cursors have followed the calls."""
    return sum("tailable" in command for command in commands.on(collection.name, "find"))


def looked(commands: Answers, collection: Any) -> bool:
    """Whether one who listens has had its first answer from the calls."""
    return bool(commands.on(collection.name, "find")) and "find" not in commands.unanswered.values()


def open_cursors(commands: Answers) -> int:
    """How many wait for the server."""
    return list(commands.unanswered.values()).count("getMore")


@on_standalone
async def test_one_listener_serves_all_repositories_of_a_client(
    make: MakeRepository, written: Any, commands: Answers
) -> None:
    repositories = [make() for _ in range(4)]
    held = [await repositories[0].acquire(name) for name in "abc"]
    commands.clear()
    tasks = [asyncio.create_task(one.acquire(name)) for one in repositories for name in "abc"]
    for one in repositories:
        await listens(one)
    await until(lambda: asyncio.sleep(0, open_cursors(commands) > 0))
    assert opened(commands, written) == 1
    assert open_cursors(commands) == 1
    for lease in held:
        await lease.release()
    for task in asyncio.as_completed(tasks):
        await (await task).release()
    assert opened(commands, written) == 1


@on_standalone  # on a replica set, no majority write is answered meanwhile
async def test_the_first_call_of_all_is_heard_though_it_is_written_while_listening_begins(
    locks: LockRepository, far: LockRepository, client: Any, far_commands: Answers
) -> None:
    held = await locks.acquire("cron", ttl=600)
    calls = await callable_by(locks)
    clock = with_clock(far, StandingClock())
    hang = {"configureFailPoint": "hangAfterCollectionInserts", "data": {"collectionNS": calls.full_name}}
    count = (await client.admin.command({**hang, "mode": "alwaysOn"}))["count"]
    hangs = {"waitForFailPoint": "hangAfterCollectionInserts", "timesEntered": count + 1, "maxTimeMS": 30_000}
    try:
        writing = asyncio.ensure_future(calls.insert_one({"to": []}))
        await client.admin.command(hangs)
        waiter = waiting(far)
        await until(lambda: asyncio.sleep(0, looked(far_commands, calls)), within=30)
    finally:
        await client.admin.command({**hang, "mode": "off"})
    await writing
    await listens(far)
    await held.release()
    assert (await waiter).held
    assert clock.now() == 0


@on_standalone
async def test_two_clients_have_a_listener_each(
    locks: LockRepository, far: LockRepository, written: Any, commands: Answers, far_commands: Answers
) -> None:
    await locks.acquire("cron")
    waiters = [waiting(locks), waiting(far)]
    for one in (locks, far):
        await listens(one)
    assert [opened(log, written) for log in (commands, far_commands)] == [1, 1]
    await leave(*waiters)


@on_standalone
async def test_two_collections_have_a_listener_each(
    locks: LockRepository, collection: Any, commands: Answers
) -> None:
    async with LockRepository(collection.database["other"]) as other:
        tasks = []
        for one in (locks, other):
            await one.acquire("cron")
            tasks.append(waiting(one))
            await listens(one)
        await until(lambda: asyncio.sleep(0, open_cursors(commands) == 2))
        await leave(*tasks)


@on_standalone
async def test_nobody_listens_before_somebody_waits(
    locks: LockRepository, collection: Any, commands: Answers
) -> None:
    async with locks.lock("cron"):
        assert await locks.obtain("cron") is None
    assert locks.stats().waits_by is None
    assert commands.counts.keys() == {"findAndModify", "explain", "createIndexes"}
    assert f"{collection.name}.calls" not in await collection.database.list_collection_names()


async def test_it_says_how_it_waits(locks: LockRepository, others: LockRepository) -> None:
    await locks.acquire("cron")
    assert others.stats().waits_by is None
    waiter = waiting(others)
    await listens(others)
    assert others.stats().waits_by == "calls"
    await leave(waiter)


async def test_closing_the_last_repository_ends_the_reading_at_once(
    collection: Any, far_client: Any, far_commands: Answers
) -> None:
    """The server answers the getMore, which would wait for another 5 s, since its cursor was killed."""
    async with LockRepository(collection) as locks:
        await locks.acquire("cron")
        far = LockRepository(far_client[collection.database.name][collection.name])
        waiter = waiting(far)
        await listens(far)
        await until(lambda: asyncio.sleep(0, open_cursors(far_commands) == 1))
        await leave(waiter)
        await far.aclose()
    assert open_cursors(far_commands) == 0
    assert far_commands.cut_off == []
    assert far_commands.counts["killCursors"] >= 1


@on_standalone
async def test_closing_one_of_two_repositories_leaves_the_other_listening(
    locks: LockRepository, far: LockRepository, far_client: Any, collection: Any, far_commands: Answers
) -> None:
    held = await locks.acquire("cron")
    await locks.acquire("other")
    with_clock(far, StandingClock())
    waiter = waiting(far)
    await listens(far)
    async with LockRepository(far_client[collection.database.name][collection.name]) as closing:
        waits = asyncio.create_task(closing.acquire("other"))
        await listens(closing)
        await leave(waits)
    assert reading(far)
    assert "killCursors" not in far_commands.counts
    await held.release()
    assert (await waiter).held


@on_standalone
async def test_reading_ends_some_time_after_the_last_has_waited(
    locks: LockRepository,
    far: LockRepository,
    far_commands: Answers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "LINGER", 0.05)
    monkeypatch.setattr(capped, "AWAIT", 0.2)
    held = await locks.acquire("cron")
    for _ in range(2):
        waiter = waiting(far)
        await listens(far)
        await leave(waiter)
        await until(lambda: asyncio.sleep(0, far.stats().waits_by is None))
        assert open_cursors(far_commands) == 0
    waiter = waiting(far)
    await listens(far)
    await held.release()
    assert (await waiter).held


@on_standalone
async def test_after_a_call_that_did_not_come_another_cursor_is_taken(
    locks: LockRepository, far: LockRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capped, "AWAIT", 0.2)
    held = await locks.acquire("cron")
    clock = with_clock(far, StandingClock())
    waiter = waiting(far)
    await listens(far)
    there: Any = far._backend
    before = there._calls._listening._cursor
    there._calls._listening._read = lambda _call: None
    await held.release()
    clock.advance(1)
    lease = await waiter
    await until(lambda: asyncio.sleep(0, reading(far) and there._calls._listening._cursor is not before))
    assert lease.held


@on_replica_set
@pytest.mark.long
async def test_the_cursor_is_replaced_after_a_step_down(
    locks: LockRepository,
    far: LockRepository,
    far_commands: Answers,
    written: Any,
    replica_set: ReplicaSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That on the former primary does not die."""
    monkeypatch.setattr(capped, "AWAIT", 0.2)
    held = await locks.acquire("cron", ttl=600)
    clock = with_clock(far, StandingClock())
    waiter = waiting(far)
    await listens(far)
    await replica_set.step_down()
    primary = await replica_set.primary()

    def on_primary() -> bool:
        finds = [event for event in far_commands.sent if event.command.get("find") == written.name]
        return f"{finds[-1].connection_id[0]}:{finds[-1].connection_id[1]}" == primary.address

    await until(lambda: asyncio.sleep(0, on_primary() and reading(far)), within=60)
    await held.release()
    assert (await waiter).held
    assert clock.now() == 0


class Swallowing:
    """A cursor on whose way one cancellation gets lost, and that nobody can kill."""

    cursor_id = 0

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.lost = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._cursor.__anext__()
        except asyncio.CancelledError:
            self.lost += 1
            await asyncio.sleep(60)


@on_standalone
async def test_a_cancellation_that_gets_lost_in_the_driver_is_sent_again(
    locks: LockRepository,
    far_client: Any,
    far_commands: Answers,
    collection: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "CLOSE", 0.2)
    monkeypatch.setattr(listening, "CANCEL", 0.02)
    cursors: list[Swallowing] = []
    read = capped.Capped.read

    def swallowing(this: capped.Capped, ear: str) -> Any:
        cursors.append(Swallowing(read(this, ear)))
        return cursors[-1]

    monkeypatch.setattr(capped.Capped, "read", swallowing)
    await locks.acquire("cron")
    far = LockRepository(far_client[collection.database.name][collection.name])
    waiter = waiting(far)
    await until(lambda: asyncio.sleep(0, open_cursors(far_commands) == 1))
    await leave(waiter)
    there: Any = far._backend
    task = there._calls._listening._task
    await far.aclose()
    assert task.done()
    assert sum(cursor.lost for cursor in cursors) == 1
