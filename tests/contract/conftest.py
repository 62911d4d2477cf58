"""One contract for the locks in memory, and for MongoDB by both drivers."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from contract.shared import Later
from support import connected

from mongolock_async import LockRepository
from mongolock_async._engine.backend import Backend
from mongolock_async._mongo import backend as mongo
from mongolock_async._mongo import calls
from mongolock_async._mongo.backend import MongoBackend
from mongolock_async.testing import MemoryLocks, Mongod, ReplicaSet

DAY = 86_400
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Way:
    """Where the locks are: in memory, or behind a driver on a server."""

    driver: str = ""
    topology: str = ""

    def __str__(self) -> str:
        return f"{self.driver} on {self.topology}" if self.driver else "memory"


MEMORY = Way()
# The commands are the same on a replica set, and take longer there.
QUICK = [MEMORY, Way("pymongo", "standalone"), Way("motor", "standalone")]
# A standalone server has no majority reads, and no moments that a call could name.
CALLS = [MEMORY, Way("pymongo", "replica_set"), Way("motor", "replica_set"), Way("pymongo", "standalone")]
WAYS = {
    "test_calls": CALLS,
    "test_repository": [MEMORY, Way("pymongo", "replica_set"), Way("motor", "standalone")],
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on each way."""
    if "way" in metafunc.fixturenames:
        ways = WAYS.get(metafunc.module.__name__.rpartition(".")[2], QUICK)
        metafunc.parametrize("way", ways, ids=str, indirect=True, scope="module")


@pytest.fixture(scope="module")
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


@pytest.fixture(scope="module")
def server(way: Way, request: pytest.FixtureRequest) -> str:
    """Where the server is; starts it."""
    if way == MEMORY:
        return ""
    server: Mongod | ReplicaSet = request.getfixturevalue(way.topology)
    return server.uri


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(way: Way, server: str) -> AsyncIterator[Any]:
    """Of one client for all tests of a file; to connect takes longer than most of them."""
    if way == MEMORY:
        yield None
        return
    async with connected(way.driver, server) as client:
        database = client[f"test_{uuid.uuid4().hex}"]
        yield database
        await client.drop_database(database.name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client_elsewhere(way: Way, server: str) -> AsyncIterator[Any]:
    """A second client, as another process would have it."""
    if way == MEMORY:
        yield None
        return
    async with connected(way.driver, server) as client:
        yield client


@pytest.fixture
def store(way: Way, database: Any) -> Any:
    """What repositories are made on: a store of its own for each test."""
    return MemoryLocks(start=NOON) if way == MEMORY else database[f"locks_{uuid.uuid4().hex}"]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no call given up because the machine stalls for a second."""
    monkeypatch.setattr(calls, "TELL", 15.0)
    monkeypatch.setattr(mongo, "CONFIRM_SECONDS", 15.0)


@pytest_asyncio.fixture(loop_scope="module")
async def backend(store: Any) -> AsyncIterator[Backend]:
    backend = _backend(store)
    yield backend
    await backend.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def elsewhere(store: Any, client_elsewhere: Any) -> AsyncIterator[Backend]:
    """The same locks, as another process sees them."""
    same = store if client_elsewhere is None else client_elsewhere[store.database.name][store.name]
    backend = _backend(same)
    yield backend
    await backend.aclose()


def _backend(store: Any) -> Backend:
    if isinstance(store, MemoryLocks):
        return store.backend()
    return MongoBackend(store, retention=60, timeout=20)


@pytest_asyncio.fixture(loop_scope="module")
async def make(store: Any) -> AsyncIterator[Callable[..., LockRepository]]:
    """Makes repositories on the test's store; each is closed afterwards."""
    async with AsyncExitStack() as stack:

        def make(**options: Any) -> LockRepository:
            locks = LockRepository(store, **options)
            stack.push_async_callback(locks.aclose)
            return locks

        yield make


@pytest.fixture
def later(store: Any) -> Later:
    """Lets time pass: in memory the clock goes forward; on a server, all dates of the locks go back.

    A negative time sets it back.
    """

    async def pass_time(seconds: float) -> None:
        if isinstance(store, MemoryLocks):
            store.clock.advance(seconds)
        else:
            await store.update_many({"holders": {"$type": "array"}}, [{"$set": _moved_back(seconds)}])

    return pass_time


def _moved_back(seconds: float) -> dict[str, Any]:
    def before(date: str, by: float = seconds) -> dict[str, Any]:
        return {"$subtract": [date, round(by * 1000)]}

    keep_until = {"$cond": ["$$e.keep_until", before("$$e.keep_until"), "$$REMOVE"]}
    dates = {"since": before("$$e.since"), "expires": before("$$e.expires"), "keep_until": keep_until}

    def each(array: str) -> dict[str, Any]:
        return {"$map": {"input": array, "as": "e", "in": {"$mergeObjects": ["$$e", dates]}}}

    # It stays a boundary: those of the tests are midnights.
    midnight = before("$boundary", seconds // DAY * DAY)
    boundary = {"$cond": [{"$eq": [{"$type": "$boundary"}, "date"]}, midnight, "$$REMOVE"]}
    moved = {"holders": each("$holders"), "queue": each("$queue"), "boundary": boundary}
    return {**moved, "expires_at": before("$expires_at")}
