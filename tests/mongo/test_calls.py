"""The change stream: what it reads, what opens and breaks it, and how waiting goes on without it."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest
from mongo.shared import Fail, listens, look, request, stands, waiting, with_clock
from support import CommandLog, until

from mongolock_async import LockBackendError, LockRepository
from mongolock_async._engine.backend import Call, Listener
from mongolock_async._mongo.calls import read

on_replica_set = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)
on_standalone = pytest.mark.parametrize("uri", ["standalone"], indirect=True)


def explained(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines that say why waiting is by polling."""
    return [record.getMessage() for record in caplog.records if "waiting by polling" in record.getMessage()]


async def next_calls(listener: Listener) -> list[Call]:
    """Those of the next event; it may take its time."""
    async with asyncio.timeout(30):
        while not (calls := await listener.next()):
            pass
    return list(calls)


async def next_event(stream: Any) -> Any:
    """As the server reports it."""
    async with asyncio.timeout(30):
        while (event := await stream._stream.try_next()) is None:
            pass
    return event


def test_an_update_says_whom_it_calls() -> None:
    event = {"updateDescription": {"updatedFields": {"granted": "s.1", "token": 7}}}
    assert read(event) == [Call("s.1", 7)]


def test_an_update_with_several_grants_does_not_say_whose_token_it_is() -> None:
    event = {"updateDescription": {"updatedFields": {"granted": "s.1 t.2", "token": 7}}}
    assert read(event) == [Call("s.1", None), Call("t.2", None)]


def test_an_update_without_a_new_token_tells_none() -> None:
    assert read({"updateDescription": {"updatedFields": {"granted": "s.1"}}}) == [Call("s.1", None)]


def test_a_replacement_calls_only_those_who_hold_it() -> None:
    holders = [{"lease": "s.1", "token": 7}, {"lease": "s.4", "token": 8}]
    event = {"fullDocument": {"granted": "s.1 s.2", "token": 8, "holders": holders}}
    assert read(event) == [Call("s.1", 7)]


@on_replica_set
@pytest.mark.parametrize("kind", ["update", "replace"])
async def test_a_grant_is_heard_of_as_an_update_and_as_a_replace(
    locks: LockRepository, collection: Any, kind: str
) -> None:
    backend: Any = locks._backend
    await backend.claim(request(), "h.1")
    await backend.claim(request(), "m.1", wait=True)
    # The server reports a small document as replaced, whatever has changed it.
    await collection.update_one({"_id": "cron"}, {"$set": {"padding": "x" * 20_000}})
    async with backend.listen("m") as stream, backend.listen("m") as raw:
        if kind == "update":
            await backend.release("cron", "h.1")
        else:
            await collection.replace_one({"_id": "cron"}, promoted(await collection.find_one()))
        assert await next_calls(stream) == [Call("m.1", (await look(locks)).fencing_token)]
        assert ("updateDescription" in await next_event(raw)) == (kind == "update")


def promoted(document: dict[str, Any]) -> dict[str, Any]:
    """What a release makes of it."""
    entry, token = document["queue"].pop(), document["token"] + 7
    holder = {**entry, "token": token, "expires": entry["since"] + timedelta(minutes=1)}
    return {**document, "holders": [holder], "granted": entry["lease"], "token": token}


@on_replica_set
async def test_a_replace_that_repeats_an_old_grant_calls_nobody(
    locks: LockRepository, collection: Any
) -> None:
    backend: Any = locks._backend
    await backend.claim(request(), "h.1")
    await backend.claim(request(), "m.1", wait=True)
    await backend.release("cron", "h.1")
    await backend.release("cron", "m.1")
    await backend.claim(request(), "h.2")
    await backend.claim(request(), "m.2", wait=True)
    async with backend.listen("m") as stream:
        document = await collection.find_one()
        assert document["granted"] == "m.1"
        await collection.replace_one({"_id": "cron"}, {**document, "padding": "x"})
        await backend.release("cron", "h.2")
        assert [call.lease for call in read(await next_event(stream))] == ["m.2"]


@pytest.mark.parametrize(
    ("uri", "mode"), [("standalone", "polling"), ("replica_set", "events")], indirect=["uri"]
)
async def test_it_says_how_it_waits(locks: LockRepository, others: LockRepository, mode: str) -> None:
    await locks.acquire("cron")
    assert others.stats().waits_by is None
    waiter = waiting(others)
    await until(lambda: asyncio.sleep(0, others.stats().waits_by == mode), within=30)
    waiter.cancel()
    await asyncio.wait([waiter])


@on_standalone
async def test_why_it_polls_is_one_line_in_the_log(
    locks: LockRepository, others: LockRepository, commands: CommandLog, caplog: pytest.LogCaptureFixture
) -> None:
    await locks.acquire("cron")
    clock = with_clock(others)
    waiters = [waiting(others), waiting(others)]

    async def tried_again() -> bool:
        clock.advance(1)
        return commands.counts.get("aggregate", 0) >= 3

    await until(tried_again)
    (line,) = explained(caplog)
    assert "40573" in line
    for waiter in waiters:
        waiter.cancel()
    await asyncio.wait(waiters)


@on_replica_set
@pytest.mark.parametrize("broken", ["aggregate", "getMore"])
async def test_a_stream_that_fails_is_opened_again(
    locks: LockRepository, others: LockRepository, fail: Fail, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    held = await locks.acquire("cron")
    clock = with_clock(others)
    await fail(broken, errorCode=13)
    waiter = waiting(others)
    await until(lambda: asyncio.sleep(0, bool(explained(caplog))))
    assert others.stats().waits_by == "polling"
    clock.advance(1)
    await listens(others)
    await held.release()
    assert (await waiter).held
    lines = [record for record in caplog.records if "waiting by polling" in record.getMessage()]
    assert [record.levelno for record in lines] == [logging.WARNING]


@on_replica_set
async def test_without_a_stream_a_release_is_heard_of_by_polling(
    locks: LockRepository, others: LockRepository, fail: Fail, caplog: pytest.LogCaptureFixture
) -> None:
    held = await locks.acquire("cron")
    await fail("aggregate", times=1000, errorCode=13)
    waiter = waiting(others)
    await stands(locks)
    await until(lambda: asyncio.sleep(0, bool(explained(caplog))))
    await held.release()
    assert (await waiter).held
    assert others.stats().waits_by == "polling"


@on_replica_set
async def test_a_collection_that_is_dropped_stops_neither_the_stream_nor_the_waiters(
    locks: LockRepository, others: LockRepository, collection: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await locks.acquire("cron")
    clock = with_clock(others)
    waiter = waiting(others)
    await stands(locks)
    await listens(others)
    await collection.drop()
    assert (await waiter).held
    await until(lambda: asyncio.sleep(0, bool(explained(caplog))))
    clock.advance(1)
    await until(lambda: asyncio.sleep(0, others.stats().waits_by == "events"), within=30)


@on_replica_set
async def test_a_stream_of_a_collection_that_was_dropped_is_broken(
    locks: LockRepository, collection: Any
) -> None:
    await locks.create("cron")
    async with locks._backend.listen("m") as stream:
        await collection.drop()
        with pytest.raises(LockBackendError, match="StreamClosed"):
            await next_calls(stream)


@on_standalone
async def test_a_standalone_server_has_no_calls(locks: LockRepository) -> None:
    with pytest.raises(LockBackendError) as caught:
        async with locks._backend.listen("m"):
            pytest.fail("it has no change streams")
    assert (caught.value.action, caught.value.code) == ("watch", 40573)
