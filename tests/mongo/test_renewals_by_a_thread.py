"""Renewals by PyMongo's blocking client, beside locks of either driver."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mongo.shared import Fail, is_free, waiting
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient, WriteConcern
from pymongo.errors import ServerSelectionTimeoutError
from support import CommandLog, until

from mongolock_async import LeaseLostError, LockBackendError, LockRepository
from mongolock_async._mongo.backend import MongoBackend
from mongolock_async._mongo.renewer import BlockingRenewer
from mongolock_async._protocol.request import Request

on_standalone = pytest.mark.parametrize("uri", ["standalone"], indirect=True)
by_pymongo = pytest.mark.parametrize("driver", ["pymongo"])

MakeRepository = Callable[..., LockRepository]
# A renewal after a second.
TTL = 3.0
AWAY = "mongodb://127.0.0.1:1/"


@pytest.fixture
def renewing() -> CommandLog:
    """Every command of the blocking client."""
    return CommandLog()


@pytest.fixture
def blocking(uri: str, renewing: CommandLog) -> Iterator[MongoClient[Any]]:
    with MongoClient[Any](uri, event_listeners=[renewing]) as client:
        yield client


@pytest.fixture
def renewals(blocking: MongoClient[Any], collection: Any) -> Any:
    """The same collection by the blocking client; what it is set to does not matter."""
    return blocking[collection.database.name].get_collection(collection.name, write_concern=WriteConcern(0))


@pytest.fixture
def locks(make: MakeRepository, renewals: Any) -> LockRepository:
    return make(ttl=TTL, renewal_collection=renewals)


def stand_still_until(condition: Callable[[], bool]) -> None:
    """Block the event loop."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


async def test_a_lease_is_renewed_while_the_loop_stands_still(
    locks: LockRepository, commands: CommandLog, renewing: CommandLog
) -> None:
    async with locks.lock("cron") as lease:
        commands.clear()
        before = lease.remaining
        stand_still_until(lambda: lease.remaining < before - TTL / 4)
        stand_still_until(lambda: lease.remaining > before - TTL / 6)
        assert commands.sent == []
        assert renewing.counts == {"update": 1}
        assert renewing.last("update")["writeConcern"] == {"w": "majority"}
    assert await is_free(locks)


@pytest.mark.long
@on_standalone
async def test_a_place_is_refreshed_while_the_loop_stands_still(
    locks: LockRepository, others: LockRepository, renewing: CommandLog
) -> None:
    held = await others.acquire("cron", ttl=60)
    waiter = waiting(locks)
    await until(lambda: asyncio.sleep(0, bool(locks._member.leases.keep_alive._kept)))
    stand_still_until(lambda: "update" in renewing.counts)
    await held.release()
    assert (await waiter).held


@on_standalone
async def test_a_lock_that_was_forced_is_known_lost_while_the_loop_stands_still(
    locks: LockRepository, renewals: Any
) -> None:
    async def section() -> None:
        async with locks.lock("cron") as lease:
            renewals.with_options(write_concern=WriteConcern(1)).update_one({}, {"$set": {"holders": []}})
            stand_still_until(lambda: not lease.held)
            assert not lease.lost.is_set()
            await asyncio.sleep(60)

    with pytest.raises(LeaseLostError, match="forced, or removed on the server"):
        await section()
    assert locks.stats().losses == 1


@on_standalone
@by_pymongo
async def test_a_command_that_hangs_holds_up_no_other(
    renewals: Any, renewing: CommandLog, fail: Fail
) -> None:
    async def is_sent() -> bool:
        return renewing.counts == {"update": 1}

    thread = BlockingRenewer(renewals)
    await fail("update", blockConnection=True, blockTimeMS=1_000)
    hung = asyncio.create_task(thread.renew({"a": ("m.1", 1)}, 20))
    await until(is_sent)
    assert await thread.renew({"b": ("m.2", 2)}, 20) == set()
    assert not hung.done()
    assert await hung == set()


@on_standalone
@by_pymongo
async def test_it_tells_which_leases_and_places_stand(collection: Any, renewals: Any) -> None:
    backend, thread = MongoBackend(collection, retention=60, timeout=20), BlockingRenewer(renewals)
    tokens = {}
    for name in ("a", "b"):
        reply = await backend.claim(Request(name, "me", 30.0), f"m.{name}")
        assert reply.grant is not None
        tokens[name] = reply.grant.fencing_token
        await backend.claim(Request(name, "me", 30.0), f"n.{name}", first=10)
    leases = {name: (f"m.{name}", token) for name, token in tokens.items()}
    assert await thread.renew(leases, 5) == {"m.a", "m.b"}
    assert await thread.renew(leases | {"b": ("m.b", 0), "c": ("m.c", 1)}, 5) == {"m.a"}
    assert await thread.refresh({"a": "n.a", "b": "n.b"}, 5) == {"n.a", "n.b"}
    assert await thread.refresh({"a": "n.a", "b": "m.b", "c": "n.c"}, 5) == {"n.a"}
    await backend.aclose()


async def test_a_server_that_is_away_is_a_backend_error() -> None:
    with MongoClient[Any](AWAY) as client:
        thread = BlockingRenewer(client.a.locks)
        with pytest.raises(LockBackendError) as failed:
            await thread.renew({"cron": ("m.1", 1)}, 0.05)
    assert (failed.value.action, failed.value.kind) == ("renew", "ServerSelectionTimeoutError")
    assert isinstance(failed.value.__cause__, ServerSelectionTimeoutError)


async def test_what_one_thread_cannot_do_is_raised_where_it_was_asked_for() -> None:
    with MongoClient[Any](AWAY) as client:
        thread = BlockingRenewer(client.a.locks)
        with pytest.raises(AttributeError):
            await thread.renew(None, 5)  # type: ignore[arg-type]  # that is the point


async def test_a_second_motor_client_is_refused_and_the_cure_is_named() -> None:
    client: AsyncIOMotorClient[Any] = AsyncIOMotorClient(connect=False)
    wrong: Any = client.a.locks
    for locks in (client.a.locks, AsyncMongoClient[Any](connect=False).a.locks):
        with pytest.raises(ValueError, match="share one pool of threads; pass a collection of PyMongo's"):
            LockRepository(locks, renewal_collection=wrong)
    client.close()


@pytest.mark.parametrize("wrong", ["client", "database", "text"])
async def test_anything_but_a_collection_of_pymongo_is_a_type_error(wrong: str) -> None:
    client = MongoClient[Any](connect=False)
    things: dict[str, Any] = {"client": client, "database": client.a, "text": "locks"}
    with pytest.raises(
        TypeError, match="renewal_collection must be a collection of PyMongo's MongoClient or"
    ):
        LockRepository(AsyncMongoClient[Any](connect=False).a.locks, renewal_collection=things[wrong])


async def test_a_blocking_renewal_collection_must_be_the_same_collection() -> None:
    database = AsyncMongoClient[Any](connect=False).a
    with pytest.raises(ValueError, match=r"renewal_collection must be a\.locks, not a\.other"):
        LockRepository(database.locks, renewal_collection=MongoClient[Any](connect=False).a.other)
