"""The collection of the calls: how it is made, and how waiting goes on where calls cannot be heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from mongo.shared import (
    Fail,
    StandingClock,
    callable_by,
    listens,
    polls,
    reading,
    request,
    stands,
    waiting,
    with_clock,
)
from pymongo.server_api import ServerApi
from support import connected, until

from mongolock_async import LockRepository
from mongolock_async._mongo import calls, capped

on_replica_set = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)
on_standalone = pytest.mark.parametrize("uri", ["standalone"], indirect=True)


def calls_of(collection: Any) -> Any:
    """The collection of the calls, as its users name it."""
    return collection.database[f"{collection.name}.calls"]


async def options_of(collection: Any) -> dict[str, Any]:
    options: dict[str, Any] = await collection.options()
    return options


async def is_made(collection: Any) -> bool:
    return await options_of(calls_of(collection)) == {"capped": True, "size": 131_072}


async def polling(locks: LockRepository) -> None:
    await until(lambda: asyncio.sleep(0, locks.stats().waits_by == "polling"), within=30)


@on_standalone
async def test_who_waits_makes_the_collection_capped(locks: LockRepository, collection: Any) -> None:
    await locks.acquire("cron")
    waiter = waiting(locks)
    await listens(locks)
    assert await is_made(collection)
    waiter.cancel()
    await asyncio.wait([waiter])


@on_standalone
async def test_who_calls_makes_the_collection_capped(
    locks: LockRepository, far: LockRepository, collection: Any
) -> None:
    held = await locks.acquire("cron")
    there: Any = far._backend
    await there.claim(request(), "n.1", first=10)
    await held.release()
    assert await is_made(collection)
    assert await calls_of(collection).count_documents({"leases": "n.1"}) == 1


async def test_many_who_make_it_at_a_time_make_one(
    locks: LockRepository, far: LockRepository, collection: Any
) -> None:
    backends: list[Any] = [locks._backend, far._backend]
    await asyncio.gather(*(backend._calls._capped.ensure() for backend in backends * 4))
    assert await is_made(collection)


@on_standalone
async def test_one_that_another_has_made_is_taken_as_it_is(
    locks: LockRepository, far: LockRepository, collection: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await collection.database.create_collection(f"{collection.name}.calls", capped=True, size=1_048_576)
    await _hand_over(locks, far)
    assert (await options_of(calls_of(collection)))["size"] == 1_048_576
    assert polls(caplog) == []


async def _hand_over(locks: LockRepository, far: LockRepository) -> None:
    """By a call: the waiter's clock stands still."""
    with_clock(far, StandingClock())
    held = await locks.acquire("cron")
    waiter = waiting(far)
    await listens(far)
    await held.release()
    assert await (await waiter).release()


LOSSES: dict[str, Callable[[Any], Awaitable[object]]] = {
    "dropped": lambda calls: calls.drop(),
    "emptied": lambda calls: calls.database.command("emptycapped", calls.name),
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_one_that_is_lost_is_made_again_and_heard_again(
    locks: LockRepository,
    far: LockRepository,
    collection: Any,
    caplog: pytest.LogCaptureFixture,
    loss: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capped, "AWAIT", 0.2)  # it is told with the next answer
    await _hand_over(locks, far)
    held = await locks.acquire("cron")
    clock = with_clock(far)
    waiter = waiting(far)
    await listens(far)
    there: Any = far._backend
    before = there._calls._listening._cursor
    await LOSSES[loss](calls_of(collection))
    await until(
        lambda: asyncio.sleep(0, reading(far) and there._calls._listening._cursor is not before), within=30
    )
    assert await is_made(collection)
    await held.release()
    clock.advance(5)  # the first call after that may have been lost
    assert await (await waiter).release()
    await _hand_over(locks, far)
    assert await is_made(collection)
    assert polls(caplog) == []


@on_standalone
async def test_an_ordinary_collection_in_its_place_is_polled_beside_and_left_alone(
    locks: LockRepository, far: LockRepository, collection: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await calls_of(collection).insert_one({"something": "else"})
    for _ in range(2):
        held = await locks.acquire("cron")
        waiter = waiting(far)
        await polling(far)
        await held.release()
        assert await (await waiter).release()
    assert polls(caplog) == [
        f"waiting by polling: no calls from {calls_of(collection).full_name}: OperationFailure (code 2)"
    ]
    assert "capped" not in await options_of(calls_of(collection))


DEAF: dict[str, tuple[dict[str, Any], str]] = {
    "one connection": ({"maxPoolSize": 1}, "the client has one connection only (maxPoolSize=1)"),
    "the Stable API": (
        {"server_api": ServerApi("1", strict=True)},
        "the client keeps to the Stable API (strict=True), which has no tailable cursors",
    ),
}


@pytest.fixture(params=DEAF)
async def deaf(
    request: pytest.FixtureRequest, uri: str, driver: str, store: Any
) -> AsyncIterator[tuple[LockRepository, str]]:
    """A repository whose client could not listen, and why."""
    options, why = DEAF[request.param]
    async with (
        connected(driver, uri, **options) as client,
        LockRepository(client[store.database.name][store.name]) as locks,
    ):
        yield locks, why


@on_replica_set
async def test_a_client_that_cannot_listen_polls_and_says_why_once(
    locks: LockRepository, deaf: tuple[LockRepository, str], collection: Any, caplog: pytest.LogCaptureFixture
) -> None:
    polled, why = deaf
    for _ in range(2):
        held = await locks.acquire("cron")
        waiters = [waiting(polled), waiting(polled, keep_alive=True)]
        await polling(polled)
        await stands(locks)
        await held.release()
        for lease in asyncio.as_completed(waiters):
            assert await (await lease).release()
    assert polls(caplog) == [f"waiting by polling: no calls from {collection.full_name}.calls: {why}"]


@on_replica_set
async def test_a_client_that_cannot_listen_calls_others(
    deaf: tuple[LockRepository, str], far: LockRepository
) -> None:
    await _hand_over(deaf[0], far)


@on_replica_set
@pytest.mark.parametrize("broken", ["create", "find", "getMore"])
async def test_reading_that_fails_is_begun_again(
    locks: LockRepository,
    far: LockRepository,
    fail: Fail,
    collection: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
) -> None:
    monkeypatch.setattr(capped, "AWAIT", 0.2)
    held = await locks.acquire("cron")
    await fail(broken, errorCode=8000, namespace=calls_of(collection).full_name)
    waiter = waiting(far)
    await until(lambda: asyncio.sleep(0, bool(polls(caplog))), within=30)
    await until(lambda: asyncio.sleep(0, far.stats().waits_by == "calls" and reading(far)), within=30)
    await held.release()
    assert (await waiter).held
    where = calls_of(collection).full_name
    assert polls(caplog) == [
        f"waiting by polling: no calls from {where}: OperationFailure (code 8000)",
        f"waiting by calls again: those from {where} are heard",
    ]


@on_standalone
async def test_one_who_waits_after_reading_had_failed_for_all_before_is_called(
    locks: LockRepository,
    far: LockRepository,
    fail: Fail,
    collection: Any,
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody has read meanwhile, so that nobody knew that it works again."""
    monkeypatch.setattr(calls, "LINGER", 0.05)
    held = await locks.acquire("cron")
    await fail("find", times=100_000, errorCode=8000, namespace=calls_of(collection).full_name)
    waiter = waiting(far)
    await polling(far)
    waiter.cancel()
    await until(lambda: asyncio.sleep(0, far.stats().waits_by is None), within=30)
    await client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    waiter = waiting(far)
    await until(lambda: asyncio.sleep(0, far.stats().waits_by == "calls" and reading(far)), within=30)
    await held.release()
    assert (await waiter).held


@on_standalone
async def test_a_call_that_cannot_be_written_does_not_fail_the_release(
    locks: LockRepository, far: LockRepository, fail: Fail
) -> None:
    held = await locks.acquire("cron")
    await callable_by(locks)
    clock = with_clock(far)
    waiter = waiting(far)
    await listens(far)
    await fail("insert", errorCode=8000)
    assert await held.release() is True
    clock.advance(1)  # it looks
    assert (await waiter).held
